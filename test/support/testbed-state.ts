import { formatInstant } from "#shared/model/time.ts";
import type { TestbedProcess } from "./testbed.ts";

/** What agent and nodes of a testbed have promised, as they say themselves. Equal when nothing has changed. */
export type TestbedState = {
  /** Lease documents and names of slivers, by the address of their node. */
  readonly leases: Readonly<Record<string, readonly string[]>>;
  readonly slivers: Readonly<Record<string, readonly string[]>>;
  /** What the agent could still give over the next month, by node. */
  readonly free: Readonly<Record<string, object>>;
  /** Tickets that can still be redeemed, by principal. */
  readonly tickets: Readonly<Record<string, readonly string[]>>;
};

const MONTH = 30 * 86_400;

export async function stateOf({ clients, description }: TestbedProcess): Promise<TestbedState> {
  const { alice, bob } = clients;
  const ips = description.nodes.map(({ ip }) => ip);
  const [leases, slivers, free, ofAlice, ofBob] = await Promise.all([
    Promise.all(alice.nodes.map((node) => node.getleases())),
    Promise.all(alice.nodes.map((node) => node.getslivers())),
    freeOf(alice.agent),
    alice.agent.gettickets({}),
    bob.agent.gettickets({}),
  ]);
  return {
    leases: byNode(ips, leases),
    slivers: byNode(ips, slivers),
    free,
    tickets: { alice: ofAlice.sort(), bob: ofBob.sort() },
  };
}

/** What an agent could give at every instant of the next month, by node. */
export async function freeOf(
  agent: TestbedProcess["clients"]["alice"]["agent"],
): Promise<Record<string, object>> {
  const now = Math.floor(Date.now() / 1000);
  const ads = await agent.getads({ from: formatInstant(now), to: formatInstant(now + MONTH) });
  return Object.fromEntries(ads.flatMap((ad) => (typeof ad === "string" ? [] : [[ad.ip, ad.free]])));
}

function byNode(ips: readonly string[], lists: readonly string[][]): Record<string, string[]> {
  return Object.fromEntries(ips.map((ip, at) => [ip, lists[at]!.sort()]));
}
