import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { withoutContainers } from "#test/support/container-probe.ts";
import { eventually } from "#test/support/deadline.ts";
import { firstProcesses, type Tracks, tracksOf } from "#test/support/leftovers.ts";
import { PROJECT, type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";

type Program = { ip: string; program: string; state: string; pid: number; restarts: number };

/** Slivers with a tenth of a processor, on a busy machine. */
const PATIENTLY = ["--deadline", "100s"];

describe("programs in real slivers", { skip: await withoutContainers() }, () => {
  let lab: TestbedProcess;
  let tracks: Tracks;
  before(async () => {
    lab = await testbedProcess({ nodes: 2, engine: "container" });
    tracks = tracksOf(lab);
    await slice("create", "ours", ...PATIENTLY, "--nodes", "2", "--memory", "64", "--lease", "1h");
  });
  after(() => lab[Symbol.asyncDispose]());

  async function slice(...args: string[]): Promise<string> {
    const { code, out, err } = await lab.command("alice", ...args);
    assert.equal(code, 0, `slice ${args.join(" ")}: ${err}`);
    return out;
  }

  const shortIdOf = (ip: string) => lab.description.nodes.find((node) => node.ip === ip)!.node.slice(0, 8);
  const programs = async (): Promise<Program[]> => JSON.parse(await slice("ps", "ours", "-o", "json"));

  test("go on without whoever launched them and without node managers, start again with their slivers, and are followed all the while", async () => {
    const script = "n=0; while :; do n=$((n+1)); echo $(id -un) $n; sleep 0.1; done";
    assert.match(await slice("launch", "ours", ...PATIENTLY, "--", script), /(started[\s\S]*){2}/);
    const [calm, restarted] = await programs();
    assert.match(await slice("logs", "ours", "-n", "1"), /^(10\.\S+ +\| ours \d+\n){2}$/);
    const follower = spawn(join(PROJECT, "bin/slice"), ["logs", "ours", restarted!.ip, "-f", "-n", "1"], {
      cwd: PROJECT,
      env: { ...process.env, ...lab.environment("alice") },
    });
    let [out, err] = ["", ""];
    follower.stdout.on("data", (chunk) => {
      out += chunk;
    });
    follower.stderr.on("data", (chunk) => {
      err += chunk;
    });
    await eventually(() => out.split("\n").length > 5, { what: "the first lines" });
    for (const node of [0, 1]) await lab.kill(node);
    const doomed = await firstProcesses({ ...tracks, nodes: [shortIdOf(restarted!.ip)] });
    for (const pid of Object.values(doomed)) process.kill(pid, "SIGKILL");
    await lab.revive();
    const after = await eventually(async () => {
      const seen = await programs();
      return seen.length === 2 && seen[1]!.restarts === 1 && seen;
    });
    assert.deepEqual([after[0]!.pid, after[0]!.restarts], [calm!.pid, 0]);
    await eventually(() => /\nours 1\n(ours \d+\n){5}/.test(out), { what: "lines after the restart" });
    follower.kill("SIGINT");
    assert.deepEqual(await once(follower, "close"), [130, null]);
    assert.match(err, /^slice: .*; trying again\nslice: .* is back\n$/);
    const lines = out.trim().split("\n");
    const numbers = lines.map((line) => Number(line.split(" ")[1]));
    const restart = numbers.indexOf(1, 1);
    const counted = (from: number, count: number) => Array.from({ length: count }, (_, at) => from + at);
    assert.deepEqual(numbers.slice(0, restart), counted(numbers[0]!, restart));
    assert.deepEqual(numbers.slice(restart), counted(1, numbers.length - restart));
  });

  test("run as root where they were told to with sudo, and are ended nevertheless", async () => {
    await slice(
      "launch",
      "ours",
      "--name",
      "rooted",
      ...PATIENTLY,
      "--",
      "sudo sh -c 'setsid sleep 1010 & sleep 1011'",
    );
    const counting = ["exec", "ours", "-o", "json", "--", "ps -A -o args= | grep -c '^sleep 101[01]'; true"];
    const counts = async () =>
      JSON.parse(await slice(...counting)).map(({ stdout }: { stdout: string }) => Number(stdout));
    await eventually(async () => (await counts()).join() === "2,2");
    await slice("stop", "ours", "--name", "rooted", ...PATIENTLY);
    assert.deepEqual(await counts(), [0, 0]);
    await slice("delete", "ours");
  });
});
