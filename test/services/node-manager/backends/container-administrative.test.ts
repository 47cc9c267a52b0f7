import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFile, readlink } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { after, before, describe, test } from "node:test";
import type { Backend, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { openBackend } from "#services/node-manager/backends/open.ts";
import { CAPABILITIES, type Capability } from "#shared/model/capability.ts";
import { type Outcome, run, someNode, somePlan } from "#test/contract/backend.ts";
import {
  type ContainerBench,
  containerBench,
  engineProbe,
  eventually,
  leftovers,
  processesOf,
} from "./container-bench.ts";

const probe = await engineProbe();
const NODE = someNode();

/** What root has in every sliver: bits of linux/capability.h. */
const ORDINARY = 0x200405fbn;
const BITS: Readonly<Record<Capability, number>> = {
  ...{ CAP_DAC_READ_SEARCH: 2, CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_PTRACE: 19, CAP_SYS_ADMIN: 21 },
  ...{ CAP_SYS_NICE: 23, CAP_SYS_RESOURCE: 24, CAP_SYS_TIME: 25, CAP_SYSLOG: 34, CAP_AUDIT_READ: 37 },
  ...{ CAP_PERFMON: 38, CAP_BPF: 39 },
};

const bitsOf = (capabilities: readonly Capability[]) =>
  capabilities.reduce((sum, name) => sum | (1n << BigInt(BITS[name])), ORDINARY);

/** The sets of a process as /proc shows them: inheritable, permitted, effective, bounding, ambient. */
function setsIn(status: string): bigint[] {
  return Array.from(status.matchAll(/^Cap\w+:\s*([0-9a-f]+)$/gm), ([, hex]) => BigInt(`0x${hex}`));
}

/** Captures packets of every link for some seconds and looks for a text in them. */
const CAPTURE = `use strict; my $mark = shift; socket(my $s, 17, 3, 0x0300) or die "socket: $!\\n"; print "listening\\n";
$| = 1; $SIG{ALRM} = sub { die "nothing\\n" }; alarm 20;
while (1) { recv($s, my $packet, 65536, 0); if (index($packet, $mark) >= 0) { print "seen\\n"; exit 0 } }`;

describe("an administrative sliver", { skip: !probe.ok && probe.reason }, () => {
  let bench: ContainerBench;
  let backend: Backend;
  let held: Capability[];
  const conventional = somePlan({ slice: "oceanstore" });
  const capture = somePlan({ slice: "capture", administrative: ["CAP_NET_RAW", "CAP_SYSLOG"] });

  before(async () => {
    bench = await containerBench();
    // The machine's own images, so that Debian's is built once on it and not once a test run.
    const options = { node: NODE, stateDirectory: bench.stateDirectory, now: () => 1_900_000_000 };
    backend = await openBackend("container", options);
    const bounding = setsIn(await readFile("/proc/self/status", "utf8"))[3]!;
    held = CAPABILITIES.filter((name) => bounding & (1n << BigInt(BITS[name])));
    await Promise.all([backend.ensure(conventional), backend.ensure(capture)]);
  });
  after(async () => {
    for (const { id } of await backend.list()) await backend.remove(id);
    await bench[Symbol.asyncDispose]();
  });

  const sh = (plan: SliverPlan, script: string, user: "root" | "login" = "root"): Promise<Outcome> =>
    run(backend, plan.id, { argv: ["sh", "-c", script], user });

  async function checkSets(plan: SliverPlan, all: bigint): Promise<void> {
    const status = "cat /proc/self/status";
    assert.deepEqual(setsIn((await sh(plan, status)).stdout), [0n, all, all, all, 0n], "root");
    assert.deepEqual(setsIn((await sh(plan, status, "login")).stdout), [0n, 0n, 0n, all, 0n], "its user");
    assert.deepEqual(
      setsIn((await sh(plan, `sudo -n ${status}`, "login")).stdout),
      [0n, all, all, all, 0n],
      "sudo",
    );
  }

  test("says so", () => {
    assert.ok(backend.statement.abilities.includes("administrative"));
  });

  test("has exactly the capabilities listed beyond the ordinary ones, and another sliver exactly those", async () => {
    // Over its own users alone, a conventional sliver's root has two more.
    const own: Capability[] = backend.statement.abilities.includes("weak-root")
      ? ["CAP_SYS_PTRACE", "CAP_SYS_NICE"]
      : [];
    await checkSets(conventional, bitsOf(own));
    await checkSets(capture, bitsOf(["CAP_NET_RAW", "CAP_SYSLOG"]));
  });

  test("every capability this machine has comes with its own name and no other", async () => {
    const options = { node: NODE, stateDirectory: bench.stateDirectory, now: () => 1_900_000_000 };
    const other = await openBackend("container", { ...options, images: ["busybox"] });
    // Four slivers tell all of them apart: each is in those whose bit its place in the list, from 1, has.
    for (const bit of [1, 2, 4, 8]) {
      const administrative = held.filter((name) => (CAPABILITIES.indexOf(name) + 1) & bit);
      const plan = somePlan({ slice: "some", administrative });
      await other.ensure(plan);
      const all = bitsOf(administrative);
      const { stdout } = await run(other, plan.id, { argv: ["cat", "/proc/self/status"] });
      assert.deepEqual(setsIn(stdout), [0n, all, all, all, 0n], administrative.join(" "));
      await other.remove(plan.id);
    }
  });

  test("a capability the machine does not have itself is refused, and nothing is made", async (t) => {
    const lacking = CAPABILITIES.find((name) => !held.includes(name));
    if (!lacking) return t.skip("this machine has all of them");
    const plan = somePlan({ administrative: [lacking] });
    await assert.rejects(backend.ensure(plan), (error: Error) => /does not have CAP_/.test(error.message));
    assert.ok(!(await backend.list()).some(({ id }) => id === plan.id));
  });

  test("sees the node's processes and is in its network, with a disk and a name of its own", async () => {
    const script = `readlink /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/mnt; cat /proc/${process.pid}/comm; hostname`;
    const [net, pid, mnt, comm, name] = (await sh(capture, script)).stdout.trim().split("\n");
    assert.equal(net, await readlink("/proc/self/ns/net"));
    assert.equal(pid, await readlink("/proc/self/ns/pid"));
    assert.notEqual(mnt, await readlink("/proc/self/ns/mnt"));
    assert.equal(comm, (await readFile("/proc/self/comm", "utf8")).trim());
    assert.equal(name, "capture");
    assert.equal((await sh(conventional, `cat /proc/${process.pid}/comm`)).code, 1);
  });

  test("captures the node's packets with CAP_NET_RAW; another sliver may not open such a socket", async () => {
    const mark = randomBytes(12).toString("hex");
    const command = await backend.exec(capture.id, { argv: ["perl", "-e", CAPTURE, mark] });
    command.stderr.resume();
    const [line] = (await once(command.stdout, "data")) as [Buffer];
    assert.match(line.toString(), /listening/);
    const socket = createSocket("udp4");
    const timer = setInterval(() => socket.send(mark, 9, "127.0.0.1"), 50);
    try {
      command.stdout.resume();
      assert.equal((await command.exit).code, 0, "seen");
    } finally {
      clearInterval(timer);
      socket.close();
    }
    const refused = await run(backend, conventional.id, { argv: ["perl", "-e", CAPTURE, mark] });
    assert.equal(refused.stderr, "socket: Operation not permitted\n");
    const asUser = await run(backend, capture.id, { argv: ["perl", "-e", CAPTURE, mark], user: "login" });
    assert.equal(asUser.stderr, "socket: Operation not permitted\n", "it is root's");
  });

  test("may call what its capabilities are for, and nothing that belongs to others", async () => {
    assert.equal((await sh(capture, "dmesg >/dev/null")).code, 0);
    assert.notEqual((await sh(conventional, "dmesg >/dev/null 2>&1")).code, 0);
    for (const script of [
      "unshare -U true",
      "mount -t tmpfs none /mnt",
      "ip link add d0 type dummy",
      "date -s 2001-01-01",
    ]) {
      assert.notEqual((await sh(capture, `${script} 2>/dev/null`)).code, 0, script);
    }
  });

  test("ends with everything it started and nothing else, whatever hid from it", async () => {
    const links = ["lo", "eth0"].filter((name) => networkInterfaces()[name]);
    const witness = spawn("sleep", ["300"], { stdio: "ignore" });
    const others = (await processesOf(NODE)).sort();
    const plan = somePlan({ slice: "daemons", administrative: ["CAP_NET_RAW"] });
    try {
      await backend.ensure(plan);
      await sh(
        plan,
        "for i in 1 2 3; do (setsid sh -c 'trap \"\" TERM HUP; sleep 300 & sleep 300' >/dev/null 2>&1 &); done",
      );
      await eventually(
        "its processes being there",
        async () => (await backend.usage(plan.id)).processes >= 7,
      );
      await backend.stop(plan.id);
      assert.deepEqual(
        await backend.list().then((all) => all.find(({ id }) => id === plan.id)?.state),
        "stopped",
      );
      await backend.ensure(plan);
      await sh(plan, "(setsid sleep 300 >/dev/null 2>&1 &)");
      await backend.remove(plan.id);
      assert.deepEqual((await processesOf(NODE)).sort(), others, "not one is left");
      assert.equal(
        (await leftovers(NODE, bench.stateDirectory)).filter((text) => text.includes(plan.id)).length,
        0,
      );
      assert.equal(witness.exitCode ?? witness.signalCode, null, "what runs beside it runs on");
      assert.equal((await sh(conventional, "echo well")).stdout, "well\n");
      assert.equal((await sh(capture, "echo well")).stdout, "well\n");
      const now = Object.keys(networkInterfaces());
      assert.ok(
        links.every((name) => now.includes(name)),
        "the node's links are there",
      );
    } finally {
      const gone = once(witness, "exit");
      witness.kill();
      await gone;
    }
  });

  test("is started again where the node is, when its node manager comes back in another network", async () => {
    const [node, space] = [someNode(), `slicelab-test-${NODE}`];
    const plan = somePlan({ slice: "moved", image: "busybox", administrative: ["CAP_NET_RAW"] });
    const places = { node, stateDirectory: bench.stateDirectory, imagesDirectory: bench.imagesDirectory };
    const where = async (backend: Backend) =>
      (await run(backend, plan.id, { argv: ["readlink", "/proc/self/ns/net"] })).stdout.trim();
    execFileSync("ip", ["netns", "add", space]);
    try {
      const remote = new URL("container-remote.ts", import.meta.url).pathname;
      const argv = [`--net=/run/netns/${space}`, process.execPath, remote, JSON.stringify(places)];
      const child = spawn("nsenter", argv, { stdio: ["pipe", "pipe", "inherit"] });
      child.stdin.write(`${JSON.stringify(["ensure", plan])}\n`);
      await once(child.stdout, "data");
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
      const moved = await bench.open(node);
      assert.deepEqual(await moved.list(), [{ id: plan.id, state: "stopped" }]);
      await moved.ensure(plan);
      assert.equal(await where(moved), await readlink("/proc/self/ns/net"));
      const again = await bench.open(node);
      assert.deepEqual(await again.list(), [{ id: plan.id, state: "running" }], "it is where it belongs now");
      await again.remove(plan.id);
    } finally {
      execFileSync("ip", ["netns", "delete", space]);
    }
  });
});
