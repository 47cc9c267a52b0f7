import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import type { Backend, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { STEPS } from "#services/node-manager/backends/container/steps.ts";
import { Cgroups } from "#services/node-manager/backends/machine/cgroups.ts";
import { mountsUnder } from "#services/node-manager/backends/machine/mounts.ts";
import { run, someNode, somePlan } from "#test/contract/backend.ts";
import { lapse } from "#test/support/deadline.ts";
import {
  type ContainerBench,
  containerBench,
  engineProbe,
  eventually,
  leftovers,
  namesIn,
  upperOf,
} from "./container-bench.ts";

const probe = await engineProbe();
const NODE = someNode();
/** A command that nobody else on the machine runs. */
const SLEEP = ["sleep", String(1_000_000 + process.pid)];
const CHILD = new URL("container-child.ts", import.meta.url).pathname;

describe("a container sliver", { skip: !probe.ok && probe.reason }, () => {
  const managers: ChildProcess[] = [];
  let bench: ContainerBench;
  let caretaker: Backend;
  before(async () => {
    bench = await containerBench();
    caretaker = await bench.open(NODE); // builds the image, which a child need not do while it is being killed
  });
  // One test that fails is one test: what it leaves is not the next one's.
  afterEach(async () => {
    for (const { id } of await caretaker.list()) await caretaker.remove(id);
  });
  after(async () => {
    for (const manager of managers) manager.kill("SIGKILL");
    await bench[Symbol.asyncDispose]();
  });

  async function nothingLeft(): Promise<void> {
    assert.deepEqual(await leftovers(NODE, bench.stateDirectory), []);
  }

  async function runs(backend: Backend, plan: SliverPlan): Promise<void> {
    assert.deepEqual(await backend.list(), [{ id: plan.id, state: "running" }]);
    const { code, stdout } = await run(backend, plan.id, { argv: ["hostname"] });
    assert.deepEqual({ code, stdout }, { code: 0, stdout: `${plan.slice}\n` });
  }

  async function firstProcess(plan: SliverPlan): Promise<number> {
    const path = join(bench.stateDirectory, NODE, "slivers", plan.id, "running.json");
    return JSON.parse(await readFile(path, "utf8")).pid;
  }

  /** A node manager of its own that ensures `plan`: it ends itself after a step, or makes and removes it forever. */
  function child(plan: SliverPlan, work: { endAfter?: string; forever?: boolean } = {}) {
    const options = {
      node: NODE,
      stateDirectory: bench.stateDirectory,
      imagesDirectory: bench.imagesDirectory,
    };
    const manager = spawn(process.execPath, [CHILD, JSON.stringify({ options, plan, ...work })], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    managers.push(manager);
    return manager;
  }

  test("leaves nothing on the machine when it is removed", async () => {
    const backend = await bench.open(NODE);
    const plan = somePlan();
    await backend.ensure(plan);
    await runs(backend, plan);
    await backend.remove(plan.id);
    await nothingLeft();
  });

  for (const { name } of STEPS) {
    test(`whose start broke off after "${name}" is listed as stopped and removed without a trace`, async () => {
      const breaking = await bench.open(NODE, { onStep: breakOffAfter(name) });
      const plan = somePlan();
      await assert.rejects(breaking.ensure(plan), /broken off/);
      const backend = await bench.open(NODE);
      const state = name === STEPS.at(-1)?.name ? "running" : "stopped";
      assert.deepEqual(await backend.list(), [{ id: plan.id, state }]);
      await backend.remove(plan.id);
      await nothingLeft();
    });

    test(`whose node manager was killed after "${name}" runs when the next one ensures it`, async () => {
      const plan = somePlan();
      const killed = child(plan, { endAfter: name });
      assert.deepEqual(await once(killed, "exit"), [null, "SIGKILL"]);
      const backend = await bench.open(NODE);
      await backend.ensure(plan);
      await runs(backend, plan);
      await backend.remove(plan.id);
      await nothingLeft();
    });
  }

  /** A start whose runc was stopped in the middle. It lives for milliseconds only: missed, another start is made. */
  async function withHeldRunc(backend: Backend) {
    for (let attempt = 0; attempt < 20; attempt++) {
      const plan = somePlan();
      const killed = child(plan);
      let made = false;
      killed.stdout!.once("data", () => {
        made = true; // it says when the sliver is ensured
      });
      const held = await findProcess(["runc", "run", plan.id], () => made);
      if (held !== undefined && stopped(held)) return { plan, killed, held };
      killed.kill("SIGKILL");
      await once(killed, "exit");
      await backend.remove(plan.id);
    }
    throw new Error("no runc was caught at work in twenty starts");
  }

  for (const then of ["ensured", "removed"] as const) {
    test(`whose node manager was killed while runc was at work ends up right when it is ${then}`, async () => {
      const backend = await bench.open(NODE);
      // The runc that starts the sliver is held, so that it outlives its node manager and meets the next one's.
      const { plan, killed, held } = await withHeldRunc(backend);
      killed.kill("SIGKILL");
      await once(killed, "exit");
      const done = then === "ensured" ? backend.ensure(plan) : backend.remove(plan.id);
      try {
        const first = await Promise.race([
          done.then(() => "the next one"),
          lapse(500).then(() => "the held one"),
        ]);
        assert.equal(first, "the held one", "the next node manager waits for the runc of the last");
      } finally {
        process.kill(held, "SIGCONT");
      }
      await done;
      await eventually("the first runc ended", async () => !(await namesIn(`/proc`)).includes(String(held)));
      if (then === "ensured") await runs(backend, plan);
      await backend.remove(plan.id);
      await nothingLeft();
    });
  }

  for (const milliseconds of [15, 65, 115, 165]) {
    test(`whose node manager was killed ${milliseconds} ms into removing and making it ends up right`, async () => {
      const plan = somePlan();
      const killed = child(plan, { forever: true });
      await once(killed.stdout!, "data");
      await lapse(milliseconds);
      killed.kill("SIGKILL");
      await once(killed, "exit");
      const backend = await bench.open(NODE);
      await backend.ensure(plan);
      await runs(backend, plan);
      await backend.remove(plan.id);
      await nothingLeft();
    });
  }

  test("runs on when its node manager is killed, and is adopted by the next one as it is", async () => {
    const plan = somePlan();
    const manager = child(plan);
    await once(manager.stdout!, "data"); // it says when the sliver is ensured
    const first = await firstProcess(plan);
    manager.kill("SIGKILL");
    await once(manager, "exit");

    const backend = await bench.open(NODE);
    await runs(backend, plan);
    await backend.ensure(plan);
    assert.equal(await firstProcess(plan), first);
    await backend.remove(plan.id);
    await nothingLeft();
  });

  test("whose first process was killed is stopped, and starts again on its own disk", async () => {
    const backend = await bench.open(NODE);
    const plan = somePlan();
    await backend.ensure(plan);
    await run(backend, plan.id, { argv: ["sh", "-c", "echo mine > /root/note"] });
    process.kill(await firstProcess(plan), "SIGKILL");
    await eventually("it is stopped", async () => (await backend.list())[0]?.state === "stopped");
    await assert.rejects(run(backend, plan.id, { argv: ["true"] }), { name: "BACKEND_FAILED" });
    await backend.ensure(plan);
    await runs(backend, plan);
    assert.equal((await run(backend, plan.id, { argv: ["cat", "/root/note"] })).stdout, "mine\n");
    await backend.remove(plan.id);
    await nothingLeft();
  });

  test("of which runc's own record is of no use starts again, and is removed", async () => {
    const backend = await bench.open(NODE);
    const plan = somePlan();
    await backend.ensure(plan);
    const record = join(bench.stateDirectory, NODE, "runc", `slicelab-${NODE}-${plan.id}`, "state.json");
    await writeFile(record, "");
    process.kill(await firstProcess(plan), "SIGKILL");
    await eventually("it is stopped", async () => (await backend.list())[0]?.state === "stopped");
    await backend.ensure(plan);
    await runs(backend, plan);
    await writeFile(record, "");
    await backend.remove(plan.id);
    await nothingLeft();
  });

  test("with a process that has ended, and whose runc is stopped and does not ask how, is removed", async () => {
    const backend = await bench.open(NODE);
    const plan = somePlan();
    await backend.ensure(plan);
    const { exit, stdout, stderr } = await backend.exec(plan.id, { argv: SLEEP });
    for (const output of [stdout, stderr]) output.resume();
    const command = Number(execFileSync("pgrep", ["--full", "--exact", SLEEP.join(" ")]).toString());
    const [, runc] = /^PPid:\t(\d+)$/m.exec(await readFile(`/proc/${command}/status`, "utf8"))!;
    assert.match(await readFile(`/proc/${runc}/comm`, "utf8"), /^runc/);
    process.kill(Number(runc), "SIGSTOP");
    process.kill(command, "SIGKILL");
    await backend.remove(plan.id);
    assert.equal((await exit).signal, "SIGKILL", "the runc was ended, since it held up the rest");
    await nothingLeft();
  });

  test("keeps the image its disk was made over when the node offers another by default", async () => {
    const [image, other] = [join(bench.imagesDirectory, "busybox"), join(bench.imagesDirectory, "other")];
    await cp(image, other, { recursive: true, verbatimSymlinks: true });
    await writeFile(join(other, "root/etc/passwd"), "other\n");
    const plan = somePlan();
    const backend = await bench.open(NODE);
    await backend.ensure(plan);
    await backend.stop(plan.id);
    const later = await bench.open(NODE, { images: ["other"] });
    await later.ensure(plan);
    assert.match((await run(later, plan.id, { argv: ["cat", "/etc/passwd"] })).stdout, /^root:/);
    await later.remove(plan.id);
    await later.ensure(plan);
    assert.match((await run(later, plan.id, { argv: ["cat", "/etc/passwd"] })).stdout, /^other\n/);
    await later.remove(plan.id);
    await nothingLeft();
  });

  test("that broke its own programs starts again and can be repaired", async () => {
    const backend = await bench.open(NODE);
    const plan = somePlan();
    await backend.ensure(plan);
    await run(backend, plan.id, {
      argv: ["busybox", "rm", "-rf", "/bin/sh", "/sbin", "/etc", "/usr", "/tmp"],
    });
    await backend.stop(plan.id);
    await backend.ensure(plan);
    assert.equal((await run(backend, plan.id, { argv: ["busybox", "echo", "alive"] })).stdout, "alive\n");
    await backend.remove(plan.id);
    await nothingLeft();
  });

  test("whose deletion was interrupted is still listed, and never starts on what is left of its disk", async () => {
    const backend = await bench.open(NODE);
    const plan = somePlan();
    await backend.ensure(plan);
    await run(backend, plan.id, { argv: ["sh", "-c", "echo old > /root/note"] });
    await backend.stop(plan.id);
    const directory = join(bench.stateDirectory, NODE, "slivers", plan.id);
    await rename(directory, `${directory}.gone`);
    assert.deepEqual(await backend.list(), [{ id: plan.id, state: "stopped" }]);
    await backend.ensure(plan);
    assert.notEqual((await run(backend, plan.id, { argv: ["cat", "/root/note"] })).code, 0);
    await backend.stop(plan.id);
    await rename(directory, `${directory}.gone`);
    await backend.remove(plan.id);
    await nothingLeft();
  });

  test("is not deleted across a mount, and what could not be deleted is never its disk again", async () => {
    const backend = await bench.open(NODE);
    const plan = somePlan();
    await backend.ensure(plan);
    await run(backend, plan.id, { argv: ["sh", "-c", "echo old > /root/note; mkdir /mnt"] });
    const precious = await mkdtemp(join(tmpdir(), "slicelab-precious-"));
    await writeFile(join(precious, "file"), "kept");
    const upper = await upperOf(bench, NODE, plan.id);
    execFileSync("mount", ["--bind", precious, join(upper, "mnt")]);
    try {
      await assert.rejects(backend.remove(plan.id), { name: "BACKEND_FAILED" });
      assert.deepEqual(await backend.list(), [{ id: plan.id, state: "stopped" }]);
      assert.equal(await readFile(join(precious, "file"), "utf8"), "kept");
    } finally {
      const points = await mountsUnder(join(bench.stateDirectory, NODE));
      execFileSync("umount", [points.find((point) => point.endsWith("upper/mnt"))!]);
    }
    await backend.ensure(plan);
    assert.notEqual((await run(backend, plan.id, { argv: ["cat", "/root/note"] })).code, 0);
    await backend.remove(plan.id);
    await nothingLeft();
    await rm(precious, { recursive: true });
  });

  test("of which a killed runc left processes and cgroups is removed with them", async () => {
    const breaking = await bench.open(NODE, { onStep: breakOffAfter("bundle") });
    const plan = somePlan();
    await assert.rejects(breaking.ensure(plan), /broken off/);
    const left = spawn("sleep", ["1000"], { stdio: "ignore" });
    for (const controller of ["cpu", "pids"] as const) {
      const hierarchy = await (await Cgroups.find()).hierarchyOf(controller);
      const cgroup = join(hierarchy!, `slicelab-${NODE}-${plan.id}`);
      await mkdir(cgroup, { recursive: true });
      await writeFile(join(cgroup, "cgroup.procs"), String(left.pid));
    }
    await breaking.remove(plan.id);
    assert.equal(left.signalCode ?? (await once(left, "exit"))[1], "SIGKILL");
    await nothingLeft();
  });

  test("that is in use on its node is not deleted, and is once it is free", async () => {
    const backend = await bench.open(NODE);
    const plan = somePlan();
    await backend.ensure(plan);
    const directory = join(bench.stateDirectory, NODE, "slivers", plan.id);
    await run(backend, plan.id, { argv: ["sh", "-c", "echo kept > /root/note"] });
    const user = spawn("sleep", ["1000"], { cwd: join(directory, "root/root"), stdio: "ignore" });
    await assert.rejects(backend.remove(plan.id), { name: "BACKEND_FAILED" });
    const upper = await upperOf(bench, NODE, plan.id);
    assert.equal(await readFile(join(upper, "root/note"), "utf8"), "kept\n");
    user.kill();
    await once(user, "exit");
    await backend.remove(plan.id);
    await nothingLeft();
  });
});

/** Stops a process; false when it ended before it could be. */
function stopped(pid: number): boolean {
  try {
    process.kill(pid, "SIGSTOP");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

function breakOffAfter(name: string): (step: string) => void {
  return (step) => {
    if (step === name) throw new Error("broken off");
  };
}

/** The process whose command line starts with the first word and holds the others, or undefined once it is `over`. */
async function findProcess([program, ...words]: string[], over: () => boolean): Promise<number | undefined> {
  while (!over()) {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      const argv = commandLine(pid);
      if (argv[0] === program && words.every((word) => argv.some((argument) => argument.endsWith(word))))
        return +pid;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return undefined;
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return []; // it just ended
    throw error;
  }
}
