import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { readSlice, sliceNames } from "#services/service-manager/journal/slice-state.ts";
import type { Lease } from "#shared/model/lease.ts";
import { formatInstant } from "#shared/model/time.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { readLease } from "#shared/wire/lease-document.ts";
import { eventually, lapse } from "#test/support/deadline.ts";
import { runProgram } from "#test/support/program.ts";
import { PROJECT, type TestbedProcess } from "#test/support/testbed.ts";

const NOT_FOUND = 5;
const PRELOAD = new URL("../support/kill-before-write.ts", import.meta.url).href;
const SLICE = join(PROJECT, "bin/slice");

/** How a `slice` command of alice's is killed with -9. Gives back whether it was, before its end. */
export type Killing = (lab: TestbedProcess, ...args: string[]) => Promise<boolean>;

/** Just before it makes something durable for the nth time. */
export function beforeWrite(nth: number): Killing {
  return async (lab, ...args) => {
    const env = { NODE_OPTIONS: `--import=${PRELOAD}`, SLICELAB_TEST_KILL_BEFORE: String(nth) };
    const { code, err } = await runProgram(SLICE, args, {
      cwd: PROJECT,
      env: { ...lab.environment("alice"), ...env },
    });
    assert.ok(code === null || code === 0, `slice ${args.join(" ")}: ${code} ${err}`);
    return code === null;
  };
}

/** A time after its start. */
export function afterMilliseconds(milliseconds: number): Killing {
  return async (lab, ...args) => {
    const env = { ...process.env, ...lab.environment("alice") };
    const child = spawn(SLICE, args, { cwd: PROJECT, env, stdio: "ignore" });
    const exit = once(child, "exit");
    await Promise.race([exit, lapse(milliseconds)]);
    child.kill("SIGKILL");
    await exit;
    return child.signalCode === "SIGKILL";
  };
}

/** Runs a command of alice's to its end, which has to be a good one. */
export async function run(lab: TestbedProcess, ...args: string[]): Promise<void> {
  const { code, err } = await lab.command("alice", ...args);
  assert.equal(code, 0, `slice ${args.join(" ")}: ${err}`);
}

const HOUR = 3600;

/**
 * A slice's life of three commands, each killed once and run again, after which the slice is whole, renewed or gone.
 * The renewal is so long that it takes further tickets. Gives back which commands were killed before their end.
 */
export async function brokenLife(
  lab: TestbedProcess,
  name: string,
  kill: { create: Killing; renew: Killing; delete: Killing },
): Promise<{ create: boolean; renew: boolean; delete: boolean }> {
  const create = ["create", name, "--nodes", String(lab.description.nodes.length), "--lease", "1h"];
  const createKilled = await kill.create(lab, ...create);
  await run(lab, ...create);
  await assertWhole(lab, name);

  const until = Math.floor(Date.now() / 1000) + 3 * HOUR;
  const renew = ["renew", name, "--until", formatInstant(until)];
  const renewKilled = await kill.renew(lab, ...renew);
  await run(lab, ...renew);
  await assertWhole(lab, name, until);

  const deleteKilled = await kill.delete(lab, "delete", name);
  const { code, err } = await lab.command("alice", "delete", name);
  assert.ok(code === 0 || code === NOT_FOUND, err); // the last thing a deletion does is to forget the slice
  await assertGone(lab, name);
  return { create: createKilled, renew: renewKilled, delete: deleteKilled };
}

/** Leases of a slice, by node, as the nodes say. */
async function leasesAtNodes(lab: TestbedProcess, name: string): Promise<{ text: string; lease: Lease }[]> {
  const lists = await Promise.all(lab.clients.alice.nodes.map((node) => node.getleases()));
  return lists
    .flat()
    .map((text) => ({ text, lease: readLease(parseDocument(text)) }))
    .filter(({ lease }) => lease.slice === name);
}

/** Waits until no ticket of a slice can be redeemed any more: nodes tell the agent what became of them. */
async function noTickets(lab: TestbedProcess, name: string): Promise<void> {
  await eventually(
    async () => {
      const tickets = await lab.clients.alice.agent.gettickets({});
      return !tickets.some((text) => text.includes(`<slice>${name}</slice>`));
    },
    { what: `the agent hearing of the tickets of ${name}` },
  );
}

/**
 * A slice is whole: one lease on every node, the same here and there, its sliver running; and no ticket is anywhere,
 * nor anything asked for that may still be granted (RELIABILITY I11).
 */
export async function assertWhole(lab: TestbedProcess, name: string, until?: number): Promise<void> {
  const { nodes, principals } = lab.description;
  const slice = await readSlice(principals.alice!.home, name);
  const there = await leasesAtNodes(lab, name);
  assert.deepEqual(there.map(({ lease }) => lease.node).sort(), nodes.map(({ node }) => node).sort());
  const here = [...slice!.leases.values()].map(({ text }) => text);
  assert.deepEqual(here.sort(), there.map(({ text }) => text).sort());
  assert.deepEqual([slice!.record.phase, slice!.record.asks, slice!.record.troubles], ["created", [], []]);
  assert.deepEqual([[...slice!.tickets.keys()], slice!.record.unwanted], [[], []]);
  await noTickets(lab, name);
  if (until !== undefined)
    assert.deepEqual(
      there.map(({ lease }) => lease.term.end),
      nodes.map(() => until),
    );
  const states = await Promise.all(lab.clients.alice.nodes.map((node) => node.getstatus({ slice: name })));
  assert.deepEqual(
    states.map(({ state }) => state),
    nodes.map(() => "running"),
  );
}

/** Nothing of a slice is anywhere. */
export async function assertGone(lab: TestbedProcess, name: string): Promise<void> {
  assert.deepEqual(await leasesAtNodes(lab, name), []);
  await noTickets(lab, name);
  assert.equal((await sliceNames(lab.description.principals.alice!.home)).includes(name), false);
}
