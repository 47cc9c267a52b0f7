import { formatInstant, type Instant } from "#shared/model/time.ts";
import { allNodes, type RegisteredNode } from "../../store/registry/registry.ts";
import { type AdministeredBooks, done, officeOf, told } from "../office.ts";
import { registryOf } from "../registry.ts";
import { drainNode, overbookNode, resumeNode, retireNode } from "../standing.ts";
import type { Acts } from "./acts.ts";
import { pageOf } from "./page.ts";

type FleetActs = Pick<
  Acts,
  "acceptnode" | "listnodes" | "drainnode" | "resumenode" | "retirenode" | "overbooknode"
>;

export function fleetActs(books: AdministeredBooks): FleetActs {
  return {
    acceptnode: ({ name, ...node }, call) =>
      told(registryOf(books, call).addNode({ ...node, label: name ?? node.ip })),
    listnodes: async ({ after, limit }, call) => {
      const nodes = await officeOf(books, call).read(allNodes);
      return pageOf(nodes, (one) => one.label, after, limit).map((one) => ({
        ...{ node: one.node, name: one.label, ip: one.ip, site: one.site, state: stateOf(one) },
        ...{ overbooking: one.overbooking, heard: timeOrNull(one.heard) },
      }));
    },
    drainnode: ({ node }, call) => done(drainNode(officeOf(books, call), node)),
    resumenode: ({ node }, call) => done(resumeNode(officeOf(books, call), node)),
    retirenode: ({ node }, call) => done(retireNode(officeOf(books, call), node)),
    overbooknode: ({ node, overbooking }, call) =>
      done(overbookNode(officeOf(books, call), node, overbooking)),
  };
}

function stateOf({ retired, drained, suspended }: RegisteredNode) {
  if (retired !== null) return "retired";
  if (suspended) return "suspended";
  return drained === null ? "serving" : "drained";
}

function timeOrNull(instant: Instant | null): string | null {
  return instant === null ? null : formatInstant(instant);
}
