import { advertised, countedTime } from "#services/broker/acquisition/acquisition.ts";
import { explanationOf, tooFew } from "#services/broker/matching/explanation.ts";
import { match } from "#services/broker/matching/matching.ts";
import type { Advertisement } from "#services/broker/matching/specification.ts";
import { Fault } from "#shared/model/errors.ts";
import { shareOfOne } from "#shared/model/resources.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import type { Instant } from "#shared/model/time.ts";
import { type CallFailure, isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";
import type { Network } from "../network/network.ts";
import { failureSentence } from "../terminal/failure.ts";
import { newOrder, type Order } from "./slice-order.ts";
import type { Wish } from "./wish.ts";

/** A node by what it is called, and where it is. */
export type PlannedNode = Pick<Advertisement, "node" | "ip" | "site">;

/** What a creation would find now. */
export type Plan = {
  readonly description: SliceDescription;
  readonly chosen: readonly PlannedNode[];
  readonly standby: readonly PlannedNode[];
  readonly spare: readonly PlannedNode[];
  readonly refused: readonly (PlannedNode & { readonly reason: string })[];
  /** Nodes that a broker counts without naming them. */
  readonly unnamed: { readonly spare: number; readonly refused: number };
  /** Why nodes are left out, with counts; empty when none is. */
  readonly explanation: string;
  /** What a creation would be refused with: fewer nodes fit than are needed. */
  readonly shortage?: Fault;
  /** Agents that did not answer. */
  readonly failures: readonly CallFailure[];
};

/**
 * Does everything of a creation but ask for anything (the paper's slice specification, as a dry run): by the broker that
 * is configured, or here where it does not answer.
 */
export async function planSlice(wish: Wish, network: Network, now: Instant): Promise<Plan> {
  const order = await newOrder(wish, network, now);
  const { broker } = network;
  if (!broker) return await planHere(order, network, now);
  try {
    return await planByBroker(order, broker);
  } catch (failure) {
    network.effort.signal.throwIfAborted();
    if (!isCallFailure(failure)) throw failure;
    network.notice(
      `the broker ${broker.url} is passed over, its work is done here: ${failureSentence(failure)}`,
    );
    return await planHere(order, network, now);
  }
}

async function planHere({ description, resources }: Order, network: Network, now: Instant): Promise<Plan> {
  const { ads, failures } = await advertised(network.agents, countedTime(description.leaseSeconds, now));
  const specification = match(description, ads, now, { demand: shareOfOne(resources) });
  const { chosen, standby, spare, refused } = specification;
  const { atleast } = description.nodes;
  return {
    ...{ description, chosen, standby, spare, refused, failures },
    unnamed: { spare: 0, refused: 0 },
    explanation: explanationOf(specification),
    ...(chosen.length < atleast && { shortage: tooFew(specification, atleast) }),
  };
}

async function planByBroker({ description }: Order, broker: BrokerConnection): Promise<Plan> {
  const { chosen, standby, spare, refused, ...rest } = await broker.find(description);
  const { explanation, advice, refused_count } = rest;
  const { atleast } = description.nodes;
  const few = `${chosen.length} of the ${atleast} nodes needed fit`;
  const why = [explanation || "the broker knows of no other node", advice].filter((text) => text !== "");
  return {
    ...{ description, chosen, standby, refused, explanation },
    spare: [],
    unnamed: { spare, refused: Math.max(0, refused_count - refused.length) },
    ...(chosen.length < atleast && { shortage: new Fault("NO_CAPACITY", `${few}: ${why.join("; ")}`) }),
    failures: [],
  };
}
