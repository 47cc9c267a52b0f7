import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { lstat, mkdir, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { Backend, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { type Outcome, run, someNode, somePlan } from "#test/contract/backend.ts";
import {
  type ContainerBench,
  containerBench,
  engineProbe,
  eventually,
  idClaims,
  leftovers,
  namesIn,
  processesOf,
  upperOf,
} from "./container-bench.ts";

const probe = await engineProbe();

describe("a container sliver's own users", { skip: !probe.ok && probe.reason }, () => {
  const node = someNode();
  let bench: ContainerBench;
  let backend: Backend;
  const mine = somePlan();
  const neighbour = somePlan();
  before(async () => {
    bench = await containerBench();
    backend = await bench.open(node);
    await Promise.all([backend.ensure(mine), backend.ensure(neighbour)]);
  });
  after(async () => {
    await bench[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(node, bench.stateDirectory), []);
  });

  const sh = (script: string, plan: SliverPlan = mine): Promise<Outcome> =>
    run(backend, plan.id, { argv: ["sh", "-c", script] });
  const place = (plan: SliverPlan, ...names: string[]): string =>
    join(bench.stateDirectory, node, "slivers", plan.id, ...names);
  const baseOf = async (plan: SliverPlan): Promise<number> =>
    JSON.parse(await readFile(place(plan, "owner.json"), "utf8")).base;

  test("are what the engine says it has", () => {
    assert.ok(backend.statement.abilities.includes("weak-root"));
    assert.deepEqual(backend.statement.notes, []);
  });

  test("are nobody outside, and nobody's of its neighbour", async () => {
    const bases = [await baseOf(mine), await baseOf(neighbour)];
    assert.ok(Math.abs(bases[0]! - bases[1]!) >= 65_536);
    const passwd = await readFile("/etc/passwd", "utf8");
    for (const line of passwd.trim().split("\n")) {
      const uid = Number(line.split(":")[2]);
      for (const base of bases) assert.ok(uid < base || uid >= base + 65_536, line);
    }
    for (const pid of await processesOf(node)) {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      for (const ids of ["Uid", "Gid"]) {
        const [, first] = new RegExp(`^${ids}:\\t(\\d+)`, "m").exec(status)!;
        assert.ok(bases.includes(Number(first)), `${ids} ${first}`);
      }
    }
  });

  test("have the image's files as if the image were theirs, and nothing of it is copied or changed", async () => {
    assert.equal((await sh("stat -c %u:%g / /bin/busybox /etc/passwd /etc/hosts")).stdout, "0:0\n".repeat(4));
    const image = await stat(join(bench.imagesDirectory, "busybox/root/bin/busybox"));
    assert.equal(image.uid, 0);
    assert.deepEqual(await namesIn(join(await upperOf(bench, node, mine.id), "bin")), []);
  });

  test("give files to one another, and become one another", async () => {
    const script = "touch /root/f; chown 65533:65534 /root/f; chmod 6755 /root/f; stat -c %u:%g:%a /root/f";
    assert.equal((await sh(script)).stdout, "65533:65534:6755\n");
    const base = await baseOf(mine);
    const { uid, gid } = await stat(join(await upperOf(bench, node, mine.id), "root/f"));
    assert.deepEqual([uid, gid], [base + 65_533, base + 65_534]);
    assert.equal((await sh("su nobody -s /bin/sh -c 'id -u; id -g'")).stdout, "65534\n65534\n");
    assert.match((await sh("chown 65536 /root/f")).stderr, /Invalid argument/);
  });

  test("do not reach what is the machine's, even where it is mounted inside", async () => {
    for (const deed of [
      "chmod 777 /dev/null",
      "chown 0 /dev/init",
      "echo > /dev/init",
      "echo 1 > /proc/sys/kernel/panic",
      "echo 1 > /sys/kernel/profiling",
      "echo 0 > /proc/self/oom_score_adj && echo -1 > /proc/self/oom_score_adj",
      "mknod /tmp/null c 1 3",
      "mount -t proc proc /tmp",
      "mount -o remount,rw /sys",
      "chroot /proc/1/root mount -t tmpfs none /tmp",
      "ulimit -Hn 1048576",
    ]) {
      const { code, stderr } = await sh(deed);
      assert.notEqual(code, 0, deed);
      assert.match(stderr, /not permitted|permission denied|read-only|invalid argument/i, deed);
    }
  });

  test("can not be told from outside where the state directory is closed to everybody else", async () => {
    assert.equal((await stat(join(bench.stateDirectory, ".."))).mode & 0o777, 0o700);
    assert.equal((await stat(place(mine, ".."))).mode & 0o077, 0);
    const doors = (await readdir("/run/slicelab")).filter((name) => name.includes(mine.id));
    assert.equal(doors.length, 1);
    const door = join("/run/slicelab", doors[0]!);
    assert.equal((await stat(door)).mode & 0o007, 0);
    assert.deepEqual(await readdir(join(door, "root")), [], "nothing is behind it once the sliver runs");
  });

  test("stay the sliver's over a restart, whatever it made of its root directory", async () => {
    const base = await baseOf(mine);
    await sh("echo kept > /root/note; chmod 700 /root/note; chown 7 /; ln /root/note /root/other");
    await backend.stop(mine.id);
    assert.deepEqual((await idClaims(node)).includes(place(mine)), true);
    backend = await bench.open(node);
    await backend.ensure(mine);
    assert.equal(await baseOf(mine), base);
    assert.equal((await sh("cat /root/note; stat -c %u / /root/note")).stdout, "kept\n7\n0\n");
  });

  test("are taken again when the machine lost its list, and refused when they are another's by now", async () => {
    const plan = somePlan();
    await backend.ensure(plan);
    await backend.stop(plan.id);
    const entry = join("/var/lib/slicelab/user-ids", String(await baseOf(plan)));
    await rm(entry);
    await backend.ensure(plan);
    assert.equal(await readlink(entry), place(plan));
    await backend.stop(plan.id);
    await rm(entry);
    execFileSync("ln", ["-s", "/somebody/elses", entry]);
    try {
      await assert.rejects(backend.ensure(plan), {
        name: "BACKEND_FAILED",
        message: /another sliver .* has the user ids/,
      });
      await backend.remove(plan.id);
      assert.equal(await readlink(entry), "/somebody/elses");
    } finally {
      await rm(entry);
    }
  });

  test("are free again after the sliver, also where its node manager was killed over its removal", async () => {
    const [gone, lost] = [somePlan(), somePlan()];
    await backend.ensure(gone);
    await backend.ensure(lost);
    await backend.remove(gone.id);
    assert.equal((await idClaims(node)).includes(place(gone)), false);
    await backend.stop(lost.id);
    await rm(place(lost), { recursive: true });
    assert.equal((await idClaims(node)).includes(place(lost)), true);
    backend = await bench.open(node);
    assert.equal((await idClaims(node)).includes(place(lost)), false);
  });

  test("are not given to a sliver made before there were any, whose disk goes on as it was", async () => {
    const plan = somePlan();
    await mkdir(place(plan, "upper/root"), { recursive: true });
    await writeFile(place(plan, "upper/root/note"), "old\n");
    await writeFile(place(plan, "image"), "busybox");
    await backend.ensure(plan);
    assert.equal((await sh("cat /root/note; stat -c %u /root/note", plan)).stdout, "old\n0\n");
    assert.equal((await sh("cut -c-33 /proc/self/uid_map", plan)).stdout.trim(), "0          0 4294967295");
    await backend.stop(plan.id);
    await backend.ensure(plan);
    assert.equal((await lstat(place(plan, "upper/root/note"))).uid, 0);
    assert.equal((await sh("touch /root/new && stat -c %u /root/new", plan)).stdout, "0\n");
    await backend.remove(plan.id);
  });

  test("have no power over a neighbour's processes, nor over the node's", async () => {
    await sh("(sleep 5432 &) >/dev/null 2>&1", neighbour);
    const pids = await processesOf(node);
    const { stdout } = await sh(
      `for pid in ${pids.join(" ")} ${process.pid}; do kill -9 $pid; done; echo on`,
    );
    assert.equal(stdout, "on\n");
    await eventually("still there", async () => (await sh("ps -o args", neighbour)).stdout.includes("5432"));
  });
});

/** Opens the engine of a node, ensures two slivers and says what became of it: where the kernel hides part of /proc. */
const ELSEWHERE = `
  const { containerBackend } = await import(process.argv[1]);
  const { options, own, plain } = JSON.parse(process.argv[2]);
  const backend = await containerBackend({ ...options, images: ["busybox"], now: () => 1_900_000_000 });
  const refusal = await backend.ensure(own).catch((error) => error.message);
  await backend.ensure(plain);
  const running = await backend.exec(plain.id, { argv: ["cat", "/proc/self/uid_map"] });
  running.stderr.resume();
  const map = Buffer.concat(await running.stdout.toArray()).toString();
  await backend.remove(plain.id);
  console.log(JSON.stringify({ statement: backend.statement, refusal, map }));
  process.exit();
`;

describe("where the kernel refuses container slivers users of their own", {
  skip: !probe.ok && probe.reason,
}, () => {
  test("their node says so and makes them without, but never one that has had some", async () => {
    await using bench = await containerBench();
    const node = someNode();
    const [own, plain] = [somePlan(), somePlan()];
    const backend = await bench.open(node);
    await backend.ensure(own);
    await backend.stop(own.id);
    const { stateDirectory, imagesDirectory } = bench;
    const engine = new URL("../../../../services/node-manager/backends/container/engine.ts", import.meta.url);
    const needs = JSON.stringify({ options: { node, stateDirectory, imagesDirectory }, own, plain });
    const program = [process.execPath, "--input-type=module", "-e", ELSEWHERE, engine.href, needs];
    const hidden = 'mount -t tmpfs none /proc/irq && exec "$@"';
    const { stdout } = await promisify(execFile)("unshare", [
      "--mount",
      "sh",
      "-c",
      hidden,
      "sh",
      ...program,
    ]);
    const { statement, refusal, map } = JSON.parse(stdout);
    assert.ok(!statement.abilities.includes("weak-root"));
    assert.match(statement.notes[0], /^root inside slivers is root outside, .*\/proc/s);
    assert.match(refusal, /users of its own, which this machine cannot give it/);
    assert.match(map, /^\s*0\s+0\s+4294967295\n$/);
    await backend.ensure(own);
    await backend.remove(own.id);
    assert.deepEqual(await leftovers(node, stateDirectory), []);
  });
});
