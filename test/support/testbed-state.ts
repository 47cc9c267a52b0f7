import assert from "node:assert/strict";
import { formatInstant } from "#shared/model/time.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { readTicket } from "#shared/wire/ticket-document.ts";
import { eventually, lapse } from "./deadline.ts";
import type { TestbedProcess } from "./testbed.ts";

/** What the agent and one node of a testbed have promised, as they say themselves. */
export type NodeState = {
  /** Lease documents. */
  readonly leases: readonly string[];
  /** Names of slices. */
  readonly slivers: readonly string[];
  /** Tickets of alice or bob that can still be redeemed. */
  readonly tickets: readonly string[];
  /** What the agent holds there, and could give at every instant of the next month. */
  readonly resources: { readonly slivers: number };
  readonly free: { readonly slivers: number };
};

/** By the node's address. Two states are equal when nothing has changed. */
export type TestbedState = Readonly<Record<string, NodeState>>;

const MONTH = 30 * 86_400;

export async function stateOf({ clients, description }: TestbedProcess): Promise<TestbedState> {
  const { alice, bob } = clients;
  const now = Math.floor(Date.now() / 1000);
  const [leases, slivers, ads, ...tickets] = await Promise.all([
    Promise.all(alice.nodes.map((node) => node.getleases())),
    Promise.all(alice.nodes.map((node) => node.getslivers())),
    alice.agent.getads({ from: formatInstant(now), to: formatInstant(now + MONTH) }),
    alice.agent.gettickets({}),
    bob.agent.gettickets({}),
  ]);
  const states = description.nodes.map(({ ip, node }, at): [string, NodeState] => {
    const ad = ads.find((one) => typeof one !== "string" && one.node === node);
    assert.ok(ad && typeof ad !== "string", `the agent does not advertise ${ip}`);
    const own = tickets.flat().filter((text) => readTicket(parseDocument(text)).node === node);
    const { resources, free } = ad;
    return [
      ip,
      { leases: leases[at]!.sort(), slivers: slivers[at]!.sort(), tickets: own.sort(), resources, free },
    ];
  });
  return Object.fromEntries(states);
}

/** A node tells its agents at once what ends; this is many times what that takes. */
const NEWS_MILLISECONDS = 400;

/**
 * The state once the nodes have told the agent everything, so that its books are those of the nodes: nothing is taken
 * but by leases and by tickets that can still be redeemed.
 */
export async function settledState(lab: TestbedProcess): Promise<TestbedState> {
  return await eventually(
    async () => {
      const before = await stateOf(lab);
      // A ticket whose lease has just ended looks like one that is not used yet, until its agent has heard.
      await lapse(NEWS_MILLISECONDS);
      const state = await stateOf(lab);
      assert.deepEqual(state, before, "something was still on its way");
      for (const [ip, { leases, slivers, tickets, resources, free }] of Object.entries(state)) {
        assert.equal(leases.length, slivers.length, ip);
        assert.equal(resources.slivers - free.slivers, leases.length + tickets.length, ip);
      }
      return state;
    },
    { what: "the agent's books being those of the nodes", withinMs: 60_000 },
  );
}
