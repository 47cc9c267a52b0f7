import assert from "node:assert/strict";
import { join } from "node:path";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { Fault } from "#shared/model/errors.ts";
import { eventually, lapse, within } from "#test/support/deadline.ts";
import { killAt, type Moment } from "#test/support/strace.ts";
import { isProcess, type Service, type TestbedProcess } from "#test/support/testbed.ts";
import type { NodeClient } from "#test/support/testbed-clients.ts";

const publickey = newSshKeyPair("a test").publicKey;
const HOUR = 3600;
/** For what a node manager writes down after everybody has been told everything. */
const AFTERTHOUGHTS_MILLISECONDS = 300;

/** What a service is killed in the middle of, and what resolves when nothing more comes of it. */
type Work = { readonly call: () => Promise<unknown>; readonly over: () => Promise<unknown> };

/** Does work while a service is watched, and killed with -9 at a moment. Gives back whether it came to that. */
async function killedDuring(
  lab: TestbedProcess,
  service: Service,
  moment: Moment,
  { call, over }: Work,
): Promise<boolean> {
  const pid = lab.pidOf(service);
  const watch = await killAt(pid, moment);
  try {
    await call().then(over, async (error) => {
      if (error instanceof Fault) throw error;
      await within(watch.ended, { what: `the end of a service that gave no answer (${error})` });
    });
    await Promise.race([watch.ended, lapse(AFTERTHOUGHTS_MILLISECONDS)]);
  } finally {
    await watch[Symbol.asyncDispose]();
  }
  if (isProcess(pid)) return false;
  await lab.gone(service);
  return true;
}

/** Calls a service until it has started, and has finished what its predecessor began. */
async function insist<T>(call: () => Promise<T>): Promise<T> {
  const outcome = await eventually(async () => {
    try {
      return { answer: await call() };
    } catch (error) {
      if (error instanceof Fault && !error.retryable) return { error };
      throw error;
    }
  });
  if ("error" in outcome) throw outcome.error;
  return outcome.answer;
}

/** A moment at which a node writes to its store. */
export type StoreWrite = { readonly call: "pwrite64" | "fsync"; readonly when: number };

/** One node on its own: what it is asked, what it has. */
class CrashingNode {
  readonly number: number;
  readonly slice: string;
  readonly ticketdata: string;
  readonly #lab: TestbedProcess;

  constructor(lab: TestbedProcess, number: number, slice: string, ticketdata: string) {
    this.#lab = lab;
    this.number = number;
    this.slice = slice;
    this.ticketdata = ticketdata;
  }

  get #client(): NodeClient {
    return this.#lab.clients.alice.nodes[this.number]!;
  }

  make = () => this.#client.newleasevm({ ticketdata: this.ticketdata, publickey });
  remove = () => this.#client.deletelease({ slice: this.slice });

  killedDuring(write: StoreWrite, work: Work): Promise<boolean> {
    const store = join(this.#lab.home, "nodes", String(this.number + 1), "state/node.sqlite");
    return killedDuring(this.#lab, this.number, { ...write, paths: [store, `${store}-wal`] }, work);
  }

  /** Resolves when no ticket of the slice can be redeemed any more, as its agent says. */
  async spent(): Promise<void> {
    const { agent } = this.#lab.clients.alice;
    await eventually(async () => !(await agent.gettickets({})).includes(this.ticketdata));
  }

  /** Its lease, when it has exactly one, whose sliver runs; undefined when it has neither lease nor sliver. */
  async lease(): Promise<string | undefined> {
    const { slice } = this;
    return await insist(async () => {
      const [leases, slivers] = await Promise.all([this.#client.getleases(), this.#client.getslivers()]);
      const own = leases.filter((text) => text.includes(`<slice>${slice}</slice>`));
      assert.deepEqual(
        slivers.filter((name) => name === slice),
        own.map(() => slice),
      );
      assert.ok(own.length <= 1);
      if (own.length === 0) return undefined;
      assert.equal((await this.#client.getstatus({ slice })).state, "running");
      return own[0];
    });
  }
}

/**
 * Kills every node manager of a testbed before one of its writes, each while it makes a lease, revives them, and asks
 * again with the same tickets; then the same for ending those leases. Everywhere there is one lease and one sliver, and
 * then none. Gives back how many were killed.
 */
export async function crashNodes(
  lab: TestbedProcess,
  slice: string,
  writes: readonly { readonly making: StoreWrite; readonly ending: StoreWrite }[],
): Promise<number> {
  const ips = lab.description.nodes.slice(0, writes.length).map(({ ip }) => ip);
  const order = { slice, ntickets: ips.length, leaselen: HOUR, ips };
  const tickets = await lab.clients.alice.agent.newtickets(order);
  const nodes = tickets.map((text, at) => new CrashingNode(lab, at, slice, text));

  const making = await Promise.all(
    nodes.map((node, at) =>
      node.killedDuring(writes[at]!.making, { call: node.make, over: () => node.spent() }),
    ),
  );
  await lab.revive();
  for (const node of nodes) {
    const found = await node.lease();
    const lease = await insist(node.make);
    if (found !== undefined) assert.equal(lease, found); // what was promised is kept, to the byte
    assert.equal(await node.lease(), lease);
    await node.spent();
  }

  const ending = await Promise.all(
    nodes.map((node, at) =>
      node.killedDuring(writes[at]!.ending, { call: node.remove, over: () => Promise.resolve() }),
    ),
  );
  await lab.revive();
  for (const node of nodes) {
    await insist(node.remove).catch((error: Error) => assert.equal(error.name, "NO_SLICE"));
    assert.equal(await node.lease(), undefined);
    await assert.rejects(node.make, { name: "ALREADY_REDEEMED" });
  }
  return [...making, ...ending].filter(Boolean).length;
}

/**
 * Kills the agent before one of its writes (to its database, then to its caller) while it issues tickets, revives it,
 * and makes the same request again, twice. Gives back whether it was killed.
 */
export async function crashAgent(lab: TestbedProcess, slice: string, moment: Moment): Promise<boolean> {
  const { agent } = lab.clients.alice;
  const count = lab.description.nodes.length;
  const order = {
    slice,
    ntickets: count,
    leaselen: HOUR,
    ips: "0.0.0.0",
    request_id: `once-${slice}`,
  } as const;
  await agent.getconfig(); // so that the connection is there, and what is counted is this call's
  const call = () => agent.newtickets(order);
  const killed = await killedDuring(lab, "agent", moment, { call, over: () => Promise.resolve() });
  await lab.revive();
  const tickets = await insist(call);
  assert.equal(tickets.length, count);
  assert.deepEqual(await call(), tickets);
  const outstanding = await agent.gettickets({});
  const own = outstanding.filter((text) => text.includes(`<slice>${slice}</slice>`));
  assert.deepEqual(own.sort(), tickets.toSorted());
  await agent.releasetickets({ tickets });
  return killed;
}
