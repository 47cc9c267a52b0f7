import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { withoutContainers } from "#test/support/container-probe.ts";
import { eventually } from "#test/support/deadline.ts";
import {
  type Footprint,
  firstProcesses,
  footprintOf,
  type Tracks,
  tracksOf,
} from "#test/support/leftovers.ts";
import { isProcess, PROJECT, type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";
import { settledState, type TestbedState } from "#test/support/testbed-state.ts";
import { cutLink, restoreLink } from "./link.ts";
import { assertWhole } from "./slice-crash.ts";

const NODES = 3;
const EXAMPLE = join(PROJECT, "examples/oceanstore.xml");
const SMALL = ["--nodes", String(NODES), "--memory", "64", "--lease", "1h"];

describe("slices of real slivers", { skip: await withoutContainers() }, () => {
  let lab: TestbedProcess;
  let tracks: Tracks;
  /** The machine and the books without any slice. */
  let machine: Footprint;
  let books: TestbedState;
  before(async () => {
    lab = await testbedProcess({ nodes: NODES, engine: "container" });
    tracks = tracksOf(lab);
    machine = await footprintOf(tracks);
    books = await settledState(lab);
  });
  after(() => lab[Symbol.asyncDispose]());

  async function slice(...args: string[]): Promise<string> {
    const { code, out, err } = await lab.command("alice", ...args);
    assert.equal(code, 0, `slice ${args.join(" ")}: ${err}`);
    return out;
  }

  /** What a command printed in every sliver, without the names of the nodes. */
  async function everywhere(name: string, script: string): Promise<string[]> {
    const rows: { stdout: string; code: number }[] = JSON.parse(
      await slice("exec", name, "-o", "json", "--", "sh", "-c", script),
    );
    return rows.map(({ stdout }) => stdout.trim());
  }

  async function nothingLeft(): Promise<void> {
    assert.deepEqual(await footprintOf(tracks), machine);
    assert.deepEqual(await settledState(lab), books);
  }

  test("are made from a description, with its program running in each, and go without a trace", async (t) => {
    const started = performance.now();
    await slice("create", EXAMPLE);
    t.diagnostic(
      `slice create for ${NODES} slivers with a program: ${Math.round(performance.now() - started)} ms`,
    );
    await assertWhole(lab, "oceanstore");
    await eventually(async () => {
      const logs = await slice("logs", "oceanstore");
      for (const line of [
        / \| .*oceanstore: peer is user oceanstore /g,
        / \| .* stored block 0, holding 1 of 16/g,
      ])
        assert.equal(logs.match(line)?.length, NODES, logs);
      return true;
    });
    await slice("delete", "oceanstore");
    await nothingLeft();
  });

  describe("of one slice", () => {
    let first: Record<string, number>;
    before(async () => {
      await slice("create", "ours", ...SMALL);
      first = await firstProcesses(tracks);
      assert.equal(Object.keys(first).length, NODES);
    });

    test("run what slice exec says, and end it with its exit code", async () => {
      assert.deepEqual(await everywhere("ours", "echo $((6 * 7)); echo lost >&2"), Array(NODES).fill("42"));
      for (const code of [0, 7]) {
        const ended = await lab.slice("alice", "exec", "ours", "--", "sh", "-c", `echo out; exit ${code}`);
        assert.equal(ended.code, code);
        assert.match(ended.out, /^(10\.\d+\.0\.\d \| out\n){3}$/);
      }
    });

    test("see their own processes only", async () => {
      const lists = await everywhere("ours", "ps -A -o pid=,comm=");
      for (const list of lists) {
        const processes = list.split("\n").map((line) => line.trim().split(/\s+/));
        assert.equal(processes[0]![0], "1");
        assert.deepEqual(
          processes.map(([, name]) => name).filter((name) => name === "node"),
          [],
        );
        assert.ok(processes.length <= 4, list);
      }
    });

    test("run on while their node managers are dead, and are adopted as they are", async (t) => {
      await everywhere("ours", "(while sleep 0.1; do echo still here >> alive; done) > /dev/null 2>&1 &");
      await Promise.all([0, 1, 2].map((node) => lab.kill(node)));
      assert.deepEqual(await firstProcesses(tracks), first);
      const started = performance.now();
      await lab.revive();
      await assertWhole(lab, "ours");
      t.diagnostic(
        `all slivers adopted ${Math.round(performance.now() - started)} ms after the restart was asked for`,
      );
      assert.deepEqual(await firstProcesses(tracks), first);
      const [before] = await everywhere("ours", "wc -l < alive");
      await eventually(async () => Number((await everywhere("ours", "wc -l < alive"))[0]) > Number(before));
    });

    test("are stopped with their testbed, keep their disks, and come back with it", async () => {
      await everywhere("ours", "echo mine > note");
      const leases = Object.values(await settledState(lab)).map((state) => state.leases);
      await lab.stop();
      const { disks, ...rest } = await footprintOf(tracks);
      for (const [kind, things] of Object.entries(rest)) assert.deepEqual(things, [], kind);
      assert.equal(disks.length, NODES);
      for (const pid of Object.values(first)) assert.equal(isProcess(pid), false);

      await lab.start();
      assert.deepEqual(
        Object.values(await settledState(lab)).map((state) => state.leases),
        leases,
      );
      await eventually(() => assertWhole(lab, "ours").then(() => true));
      assert.deepEqual(await everywhere("ours", "cat note"), Array(NODES).fill("mine"));
    });

    test("are started again at once when they end by themselves", async (t) => {
      const [[sliver, pid] = ["", 0]] = Object.entries(await firstProcesses(tracks));
      const started = performance.now();
      process.kill(pid, "SIGKILL");
      const again = () =>
        firstProcesses(tracks).then((now) => (now[sliver] === pid ? undefined : now[sliver]));
      await eventually(async () => (await again()) !== undefined);
      const milliseconds = Math.round(performance.now() - started);
      t.diagnostic(`started again ${milliseconds} ms after it ended`);
      assert.ok(milliseconds < 20_000, "long before the next look at everything");
      await eventually(() => assertWhole(lab, "ours").then(() => true));
    });

    test("on a node whose link is cut are told of in time, and the others are as they were", async () => {
      const cut = lab.description.nodes[1]!;
      await cutLink(lab, 1);
      const status = JSON.parse(await failing(3, "status", "ours", "-o", "json", "--deadline", "2s"));
      for (const { ip, state, trouble } of status.nodes) {
        assert.equal(state, ip === cut.ip ? "unknown" : "running", ip);
        if (ip === cut.ip) assert.match(trouble.name, /TIMEOUT|UNREACHABLE/);
      }
      const started = performance.now();
      const { code, err } = await lab.slice("alice", "delete", "ours", "--deadline", "2s");
      assert.equal(code, 3);
      assert.match(err, new RegExp(`${cut.ip}: (TIMEOUT|UNREACHABLE)`));
      assert.ok(performance.now() - started < 25_000);
      assert.equal(Object.keys(await firstProcesses(tracks)).length, 1);
      await restoreLink(lab, 1);
      await slice("delete", "ours");
      await nothingLeft();
    });
  });

  async function failing(expected: number, ...args: string[]): Promise<string> {
    const { code, out, err } = await lab.slice("alice", ...args);
    assert.equal(code, expected, err);
    return out;
  }
});
