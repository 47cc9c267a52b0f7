import { FAULT_CODES } from "#shared/model/errors.ts";
import {
  type AcquisitionStruct,
  MAX_REFUSED,
  type SpecificationStruct,
  type SpecifiedNodeStruct,
} from "#shared/wire/broker-api.ts";
import { adviceOf, explanationOf } from "./matching/explanation.ts";
import type { Advertisement, Specification } from "./matching/specification.ts";
import type { KeptSpecification, StoredAcquisition } from "./store/acquisitions.ts";
import type { PlacedAsk } from "./store/asks.ts";
import type { StoredTicket } from "./store/tickets.ts";

/** How what the broker knows is told. */

export function specificationStruct(specification: Specification): SpecificationStruct {
  const { chosen, standby } = specification;
  return {
    chosen: chosen.map(specifiedStruct),
    standby: standby.map(specifiedStruct),
    ...keptSpecification(specification),
  };
}

/** All of a specification but its nodes. */
export function keptSpecification(specification: Specification): KeptSpecification {
  const { spare, refused } = specification;
  return {
    spare: spare.length,
    refused: refused.slice(0, MAX_REFUSED).map(({ node, ip, site, reason, remedy }) => {
      return { node, ip, site, reason, ...(remedy && { remedy }) };
    }),
    refused_count: refused.length,
    explanation: explanationOf(specification),
    advice: adviceOf(specification),
  };
}

function specifiedStruct({ node, ip, sslport, site, agent }: Advertisement): SpecifiedNodeStruct {
  return { node, ip, sslport, site, agent };
}

/** Everything that is stored of an acquisition. */
export type WholeAcquisition = {
  readonly acquisition: StoredAcquisition;
  readonly asks: readonly PlacedAsk[];
  /** In order of preference. */
  readonly tickets: readonly StoredTicket[];
  readonly doubtful: number;
};

/** As it is told to its principal: tickets only once all is decided. */
export function acquisitionStruct(whole: WholeAcquisition): AcquisitionStruct {
  const { acquisition, tickets } = whole;
  const { id, state, wanted, specification, refused, fault, sentence } = acquisition;
  const told = state === "done" ? tickets : [];
  const [first, rest] = [told.slice(0, wanted), told.slice(wanted)];
  const nodes = (some: readonly StoredTicket[]) => some.map((ticket) => specifiedTicket(whole, ticket));
  return {
    ...{ id, state, progress: progressOf(whole) },
    ...(specification && { specification: { chosen: nodes(first), standby: nodes(rest), ...specification } }),
    tickets: first.map(({ document }) => document),
    standby: rest.map(({ document }) => document),
    refused: refused.slice(0, MAX_REFUSED),
    ...(fault && { fault: { code: FAULT_CODES[fault], name: fault, sentence: sentence ?? "" } }),
  };
}

function specifiedTicket({ asks }: WholeAcquisition, { node, agent }: StoredTicket): SpecifiedNodeStruct {
  const asked = asks.filter((ask) => ask.agent === agent).flatMap((ask) => ask.nodes);
  const { ip = "", sslport = 0, site = "" } = asked.find((one) => one.node === node) ?? {};
  return { node, ip, sslport, site, agent };
}

function progressOf({ acquisition, asks, tickets, doubtful }: WholeAcquisition): string {
  const { state, wanted, standby } = acquisition;
  const agents = new Set(asks.map(({ agent }) => agent)).size;
  const asked = agents === 1 ? "1 agent asked" : `${agents} agents asked`;
  const silent = doubtful > 0 ? `, ${doubtful} without an answer` : "";
  const of = wanted + standby;
  switch (state) {
    case "working":
      return agents === 0 ? "looking for nodes" : `${tickets.length} of ${of} tickets, ${asked}${silent}`;
    case "done":
      return `${tickets.length} of ${of} tickets, ${asked}${silent}: all that there will be`;
    case "failed":
      return `nothing was acquired, ${asked}${silent}`;
    default:
      return state satisfies never;
  }
}
