import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Backend, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { containerBackend } from "#services/node-manager/backends/container/engine.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { fault, type Outcome, run, someNode, somePlan } from "#test/contract/backend.ts";
import {
  type ContainerBench,
  containerBench,
  engineProbe,
  eventually,
  leftovers,
  namesIn,
  upperOf,
} from "./container-bench.ts";

const MIB = 1024 ** 2;
const machine = await engineProbe();
const CHILD = new URL("container-disk-child.ts", import.meta.url).pathname;

function planOf(diskMib: number): SliverPlan {
  return somePlan({ resources: { cpuMillis: 100, memoryMib: 64, diskMib, egressKbps: 0 } });
}

function sh(backend: Backend, { id }: SliverPlan, script: string): Promise<Outcome> {
  return run(backend, id, { argv: ["sh", "-c", script] });
}

/** Writes until there is no more room; gives what was written, in bytes, and what was said. */
async function fill(backend: Backend, plan: SliverPlan): Promise<{ bytes: number; stderr: string }> {
  const script = "dd if=/dev/zero of=/big bs=64k count=2000; code=$?; stat -c %s /big; exit $code";
  const { code, stdout, stderr } = await sh(backend, plan, script);
  assert.notEqual(code, 0);
  return { bytes: Number(stdout), stderr };
}

function closeTo(expected: number, actual: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance * expected, `${actual} is not about ${expected}`);
}

describe("the disk of a container sliver", { skip: !machine.ok && machine.reason }, () => {
  const NODE = someNode();
  const [mine, neighbour] = [planOf(24), planOf(24)];
  let bench: ContainerBench;
  let backend: Backend;
  let disks: string;
  before(async () => {
    bench = await containerBench();
    disks = join(bench.stateDirectory, NODE, "disks");
    backend = await bench.open(NODE, { diskMib: 512 });
    await Promise.all([backend.ensure(mine), backend.ensure(neighbour)]);
  });
  after(() => bench[Symbol.asyncDispose]());

  test("has a bound, and the engine says so", () => {
    assert.ok(backend.statement.abilities.includes("disk-bound"));
  });

  test("costs next to nothing when it is fresh", async () => {
    execFileSync("sync", ["-f", disks]);
    const { diskBytes } = await backend.usage(mine.id);
    assert.ok(diskBytes <= 64 * 1024, `${diskBytes} bytes`);
  });

  test("ends where the plan says, for root too, while a neighbour goes on writing", async () => {
    const [{ bytes, stderr }, other] = await Promise.all([
      fill(backend, mine),
      sh(backend, neighbour, "for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=/f$i bs=1M count=2; done"),
    ]);
    closeTo(24 * MIB, bytes, 0.03);
    assert.match(stderr, /quota exceeded/i);
    assert.equal(other.code, 0, other.stderr);
    closeTo(24 * MIB, (await backend.usage(mine.id)).diskBytes, 0.03);
    closeTo(16 * MIB, (await backend.usage(neighbour.id)).diskBytes, 0.03);
  });

  test("that is full has room again when something is deleted", async () => {
    const anew = "rm /big && dd if=/dev/zero of=/other bs=1M count=16 && rm /other";
    assert.equal((await sh(backend, mine, anew)).code, 0);
    await eventually("it is counted as free", async () => (await backend.usage(mine.id)).diskBytes < MIB);
  });

  test("that is full is one the sliver starts on again", async () => {
    await fill(backend, mine);
    await backend.stop(mine.id);
    await backend.ensure(mine);
    assert.equal((await sh(backend, mine, "rm /big && echo alive")).stdout, "alive\n");
  });

  test("is used up by many empty files as well", async () => {
    const small = planOf(2);
    await backend.ensure(small);
    const script = `cd /root; i=0; while echo -n > $i-${"x".repeat(200)}; do i=$((i+1)); done; ls | wc -l`;
    const { stdout, stderr } = await sh(backend, small, script);
    assert.match(stderr, /quota exceeded/i);
    assert.ok(Number(stdout) > 300 && Number(stdout) < 10_000, stdout);
    await backend.remove(small.id);
  });

  test("has its bound again when the sliver is ensured", async () => {
    execFileSync("btrfs", ["qgroup", "limit", "none", join(disks, mine.id)]);
    await backend.ensure(mine);
    closeTo(24 * MIB, (await fill(backend, mine)).bytes, 0.03);
    await sh(backend, mine, "rm /big");
  });

  test("is out of reach for whoever is on it: the file system's own commands go no further than the overlay", async () => {
    const root = join(bench.stateDirectory, NODE, "slivers", mine.id, "root");
    for (const words of [
      ["subvolume", "create", join(root, "more")],
      ["qgroup", "limit", "none", root],
      ["quota", "disable", root],
      ["subvolume", "snapshot", root, join(root, "copy")],
    ]) {
      assert.notEqual(spawnSync("btrfs", words).status, 0, words.join(" "));
    }
    closeTo(24 * MIB, (await fill(backend, mine)).bytes, 0.03);
    await sh(backend, mine, "rm /big");
  });

  test("is adopted by the next node manager, and mounted again after the machine was started again", async () => {
    await sh(backend, mine, "echo mine > /root/note");
    const next = await bench.open(NODE, { diskMib: 1024 }); // gives away more by now
    assert.equal((await sh(next, mine, "cat /root/note")).stdout, "mine\n");
    for (const { id } of [mine, neighbour]) await next.stop(id);
    await next.close?.();
    assert.ok(!existsSync(disks));
    assert.ok(existsSync(`${disks}.btrfs`));

    const last = await bench.open(NODE, { diskMib: 1024 });
    assert.equal((await last.usage(mine.id)).processes, 0);
    await last.ensure(mine);
    assert.equal((await sh(last, mine, "cat /root/note")).stdout, "mine\n");
    closeTo(24 * MIB, (await fill(last, mine)).bytes, 0.03);
    const devices = execFileSync("losetup", ["--list", "--noheadings"]).toString().split("\n");
    assert.equal(devices.filter((line) => line.includes(NODE)).length, 1);
  });

  test("is listed and can be removed when nothing else of the sliver is left", async () => {
    const plan = planOf(4);
    execFileSync("btrfs", ["subvolume", "create", join(disks, plan.id)]);
    assert.ok((await backend.list()).some(({ id }) => id === plan.id));
    await backend.remove(plan.id);
    assert.ok(!(await backend.list()).some(({ id }) => id === plan.id));
  });

  test("is removed with files that can't be changed and with what the node's operator made in it", async () => {
    const plan = planOf(8);
    await backend.ensure(plan);
    await sh(backend, plan, "echo > /file");
    const upper = await upperOf(bench, NODE, plan.id);
    execFileSync("chattr", ["+i", join(upper, "file")]);
    execFileSync("btrfs", ["subvolume", "snapshot", "-r", join(disks, plan.id), join(upper, "copy")]);
    execFileSync("btrfs", ["subvolume", "create", join(upper, "other")]);
    execFileSync("btrfs", ["subvolume", "create", join(upper, "other", "one")]);
    await backend.remove(plan.id);
    assert.ok(!(await readdir(disks)).includes(plan.id));
  });

  test("made before there were bounds stays where it is, with what is on it", async () => {
    const plan = planOf(4);
    const directory = join(bench.stateDirectory, NODE, "slivers", plan.id);
    await mkdir(join(directory, "upper/root"), { recursive: true });
    await writeFile(join(directory, "upper/root/note"), "old\n");
    await backend.ensure(plan);
    assert.equal((await sh(backend, plan, "cat /root/note")).stdout, "old\n");
    assert.equal((await sh(backend, plan, "dd if=/dev/zero of=/big bs=1M count=6")).code, 0);
    assert.ok((await backend.usage(plan.id)).diskBytes > 6 * MIB);
    await backend.remove(plan.id);
    assert.deepEqual(await namesIn(directory), []);
  });

  test("leaves no subvolume and no quota group, and the last of them nothing at all", async () => {
    await backend.remove(mine.id);
    const counted = () => execFileSync("btrfs", ["qgroup", "show", "--raw", "--sync", disks]).toString();
    await eventually(
      "only the neighbour is counted",
      async () => /^(?:0\/5|0\/\d+)/m.test(counted()) && counted().match(/^0\//gm)?.length === 2,
    );
    await backend.remove(neighbour.id);
    assert.deepEqual(await leftovers(NODE, bench.stateDirectory), []);
    await backend.close?.();
    assert.deepEqual((await readdir(join(bench.stateDirectory, NODE))).sort(), ["runc", "slivers"]);
    assert.ok(!(await readFile("/proc/self/mountinfo", "utf8")).includes(NODE));
    assert.ok(!execFileSync("losetup", ["--list"]).toString().includes(NODE));
  });
});

describe("the file that slivers' disks lie in", { skip: !machine.ok && machine.reason }, () => {
  let bench: ContainerBench;
  before(async () => {
    bench = await containerBench();
  });
  after(() => bench[Symbol.asyncDispose]());

  test("is not made for more than there is room for, in a sentence that says what is missing", async () => {
    const node = someNode();
    await assert.rejects(bench.open(node, { diskMib: 99_999_999 }), (error) => {
      assert.ok(error instanceof OperatorError);
      assert.match(error.message, /gives away 99999999 MiB of disk, .* make room for \d+ MiB more, or lower/);
      return true;
    });
    assert.deepEqual(await namesIn(join(bench.stateDirectory, node)), ["slivers"]);
  });

  test("is made anew when a node manager was killed while it made it", async () => {
    const node = someNode();
    await mkdir(join(bench.stateDirectory, node), { recursive: true });
    const unfinished = join(bench.stateDirectory, node, "disks.btrfs.unfinished");
    const disks = join(bench.stateDirectory, node, "disks");
    const making = [
      () => writeFile(unfinished, "half"),
      async () => {
        execFileSync("truncate", ["--size", "300M", unfinished]);
        execFileSync("mkfs.btrfs", ["--quiet", unfinished]);
        await mkdir(disks, { recursive: true });
        execFileSync("mount", ["-o", "loop", unfinished, disks]);
      },
    ];
    for (const begin of making) {
      await begin();
      const backend = await bench.open(node, { diskMib: 64 });
      assert.ok(backend.statement.abilities.includes("disk-bound"));
      assert.ok(!existsSync(unfinished));
      await backend.close?.();
      assert.deepEqual(await readdir(join(bench.stateDirectory, node)), ["slivers"]);
    }
  });

  test("stops the start and stays as it is when it can't be read: it is never taken for none", async () => {
    const node = someNode();
    await mkdir(join(bench.stateDirectory, node), { recursive: true });
    const file = join(bench.stateDirectory, node, "disks.btrfs");
    await writeFile(file, "precious");
    await assert.rejects(bench.open(node, { diskMib: 64 }), fault("BACKEND_FAILED"));
    assert.equal(await readFile(file, "utf8"), "precious");
  });

  test("is done without, with a note and without the ability, where it can't be made", async () => {
    const options = {
      ...{ node: someNode(), stateDirectory: bench.stateDirectory, imagesDirectory: bench.imagesDirectory },
      diskMib: 64,
    };
    const script = 'mount --bind /bin/false "$(command -v mkfs.btrfs)" && exec "$@"';
    const child = [process.execPath, CHILD, JSON.stringify(options)];
    const said = execFileSync("unshare", ["--mount", "sh", "-c", script, "sh", ...child]).toString();
    const { abilities, notes, wrote } = JSON.parse(said);
    assert.ok(!abilities.includes("disk-bound"));
    assert.equal(wrote, 0);
    assert.match(notes[0], /^slivers' disks have no bound on this node: .*install btrfs-progs/);
    assert.deepEqual(await leftovers(options.node, bench.stateDirectory), []);
  });

  test("is not needed where the state directory lies on a btrfs that counts what is used", async () => {
    const [node, image, point] = [
      someNode(),
      join(bench.imagesDirectory, "../disk"),
      join(bench.imagesDirectory, "../point"),
    ];
    await mkdir(point, { recursive: true });
    execFileSync("truncate", ["--size", "300M", image]);
    execFileSync("mkfs.btrfs", ["--quiet", image]);
    execFileSync("mount", ["-o", "loop", image, point]);
    try {
      execFileSync("btrfs", ["quota", "enable", point]);
      const backend = await containerBackend({
        ...{ node, stateDirectory: point, imagesDirectory: bench.imagesDirectory, images: ["busybox"] },
        ...{ diskMib: 64, now: () => 1_900_000_000 },
      });
      const plan = planOf(8);
      try {
        await backend.ensure(plan);
        closeTo(8 * MIB, (await fill(backend, plan)).bytes, 0.03);
        closeTo(8 * MIB, (await backend.usage(plan.id)).diskBytes, 0.03);
        assert.deepEqual((await readdir(join(point, node))).sort(), ["disks", "runc", "slivers"]);
      } finally {
        await backend.remove(plan.id);
      }
      assert.deepEqual(await leftovers(node, point), []);
      await backend.close?.();
      assert.deepEqual((await readdir(join(point, node))).sort(), ["runc", "slivers"]);
    } finally {
      execFileSync("umount", [point]);
    }
  });
});
