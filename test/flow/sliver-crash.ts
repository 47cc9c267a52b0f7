import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "#test/support/deadline.ts";
import { firstProcesses, footprintOf, type Tracks } from "#test/support/leftovers.ts";
import { isProcess, PROJECT, type TestbedProcess } from "#test/support/testbed.ts";
import { assertWhole } from "./slice-crash.ts";

/** Something one sees on the machine when a sliver is being made, given the directory of the node's slivers. */
export type Sign = (slivers: string) => boolean;

const anyHas = (file: string) => (slivers: string) =>
  existsSync(slivers) && readdirSync(slivers).some((sliver) => existsSync(join(slivers, sliver, file)));

/** In the order in which they appear. */
export const SIGNS = {
  "its directory is there": (slivers) => existsSync(slivers) && readdirSync(slivers).length > 0,
  "its disk is mounted": (slivers) => readFileSync("/proc/self/mountinfo", "utf8").includes(` ${slivers}/`),
  "runc is asked to start it": anyHas("lock"),
  "its processes run": anyHas("pid"),
  "it has an address": anyHas("address.json"),
  "it is declared running": anyHas("running.json"),
} satisfies Record<string, Sign>;

/**
 * Creates a slice on all nodes; the first node's manager is killed with -9 at a sign, and started again; `slice create`
 * is run again. There is then one lease and one sliver on every node; and after a deletion none. Gives back how long
 * the node took, from the asking for its restart, until its machines were as its leases.
 */
export async function sliverCrash(
  lab: TestbedProcess,
  tracks: Tracks,
  name: string,
  sign: Sign,
): Promise<{ milliseconds: number }> {
  const create = ["create", name, "--nodes", String(tracks.nodes.length), "--memory", "64", "--lease", "1h"];
  const slivers = join(lab.home, "nodes/1/state/container", tracks.nodes[0]!, "slivers");
  const environment = { ...process.env, ...lab.environment("alice") };
  const child = spawn(join(PROJECT, "bin/slice"), create, {
    cwd: PROJECT,
    env: environment,
    stdio: "ignore",
  });
  const exit = once(child, "exit");
  await eventually(() => sign(slivers), { everyMs: 1, what: "the sign" });
  await lab.kill(0);
  await exit; // it says that one node gave no answer, and keeps its ticket

  const started = performance.now();
  await lab.revive();
  await inOrder(lab, tracks);
  const milliseconds = Math.round(performance.now() - started);

  const { code, err } = await lab.command("alice", ...create);
  assert.equal(code, 0, err);
  await assertWhole(lab, name);
  const first = await firstProcesses(tracks);
  assert.equal(Object.keys(first).length, tracks.nodes.length);
  const removal = await lab.command("alice", "delete", name);
  assert.equal(removal.code, 0, removal.err);
  assert.deepEqual(Object.values(first).filter(isProcess), []);
  return { milliseconds };
}

/** Resolves when as many slivers run and have disks, mounts and cgroups on the first node as it has leases. */
async function inOrder(lab: TestbedProcess, { home, mark, nodes }: Tracks): Promise<void> {
  const first = { home: join(home, "nodes/1"), mark, nodes: nodes.slice(0, 1) };
  await eventually(
    async () => {
      const leases = await lab.clients.alice.nodes[0]!.getleases();
      const { mounts, cgroups } = await footprintOf(first);
      const running = await firstProcesses(first);
      const disks = mounts.filter((mount) => mount.includes("/slivers/")); // the node's own holds all of them
      assert.equal(disks.length, leases.length);
      assert.equal(Object.keys(running).length, leases.length);
      const slivers = new Set(cgroups.map((path) => path.split("-").at(-1)));
      assert.deepEqual(slivers, new Set(Object.keys(running)));
      for (const sliver of slivers) assert.ok(leases.some((lease) => lease.includes(`<sliver>${sliver}<`)));
      return true;
    },
    { what: "machines being as leases say" },
  );
}
