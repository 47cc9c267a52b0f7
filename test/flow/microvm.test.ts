import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { probeMicrovms } from "#services/node-manager/backends/microvm/probe.ts";
import { type Footprint, footprintOf, type Tracks, tracksOf } from "#test/support/leftovers.ts";
import { type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";

const probe = await probeMicrovms();

describe("a slice of microvms", { skip: !probe.ok && probe.reason }, () => {
  let lab: TestbedProcess;
  let tracks: Tracks;
  let machine: Footprint;
  before(async () => {
    lab = await testbedProcess({ nodes: 1, engine: "microvm" });
    tracks = tracksOf(lab);
    machine = await footprintOf(tracks);
  });
  after(() => lab[Symbol.asyncDispose]());

  async function slice(...args: string[]): Promise<string> {
    const { code, out, err } = await lab.slice("alice", ...args);
    assert.equal(code, 0, `slice ${args.join(" ")}: ${err}`);
    return out;
  }

  async function inside(script: string): Promise<string> {
    const [row] = JSON.parse(await slice("exec", "ours", "-o", "json", "--", "sh", "-c", script));
    return row.stdout.trim();
  }

  test("is created, entered by ssh, run on without its node manager, and deleted without a trace", async () => {
    await slice("create", "ours", "--nodes", "1", "--engine", "microvm", "--memory", "96", "--lease", "1h");
    assert.match(await inside("cat /proc/cmdline"), /reboot=t/);
    assert.equal(await inside("id -un; sudo id -un"), "ours\nroot");
    const entered = await lab.slice("alice", "ssh", "ours", "--", "hostname; echo lost >&2; exit 7");
    assert.deepEqual([entered.code, entered.out.trim()], [7, "ours"]);
    const booted = "cat /proc/sys/kernel/random/boot_id";
    const before = await inside(booted);
    await lab.kill(0);
    await lab.revive();
    assert.equal(await inside(booted), before);
    await slice("delete", "ours");
    assert.deepEqual(await footprintOf(tracks), machine);
  });
});
