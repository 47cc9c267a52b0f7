import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Backend, RunningCommand, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { run, someNode, somePlan } from "#test/contract/backend.ts";
import { type ContainerBench, containerBench, engineProbe, eventually } from "./container-bench.ts";

const probe = await engineProbe();

/** How much of the processor is measured: many of the scheduler's periods, also on a machine that is busy otherwise. */
const MEASURED_MICROSECONDS = 2_500_000;

describe("what a container sliver may have of its node", { skip: !probe.ok && probe.reason }, () => {
  let bench: ContainerBench;
  let backend: Backend;
  const running: RunningCommand[] = [];
  before(async () => {
    bench = await containerBench();
    backend = await bench.open(someNode());
  });
  after(async () => {
    for (const command of running) command.kill("SIGKILL");
    await bench[Symbol.asyncDispose]();
  });

  async function sliver(change: Partial<SliverPlan["resources"]>): Promise<SliverPlan> {
    const plan = somePlan({
      resources: { cpuMillis: 100, memoryMib: 32, diskMib: 64, egressKbps: 0, ...change },
    });
    await backend.ensure(plan);
    return plan;
  }

  /** Keeps so many processes of a sliver busy, all on the machine's first processor. */
  async function spin({ id }: SliverPlan, processes: number): Promise<void> {
    const script = `for i in $(seq ${processes}); do while :; do :; done & done; wait`;
    const command = await backend.exec(id, { argv: ["taskset", "1", "sh", "-c", script] });
    command.stdout.resume();
    command.stderr.resume();
    running.push(command);
    await eventually("it spins", async () => (await backend.usage(id)).processes >= processes + 2);
  }

  const cpuOf = async ({ id }: SliverPlan) => (await backend.usage(id)).cpuMicroseconds;

  test("of the processor is what it was guaranteed against others, not what its processes are many", async (t) => {
    const [few, many, more] = [
      await sliver({ cpuMillis: 200 }),
      await sliver({ cpuMillis: 200 }),
      await sliver({ cpuMillis: 600 }),
    ];
    await spin(few, 1);
    await spin(many, 8);
    await spin(more, 2);
    const slivers = [few, many, more];
    const before = await Promise.all(slivers.map(cpuOf));
    let used: number[] = [];
    await eventually("they have used enough to compare", async () => {
      used = (await Promise.all(slivers.map(cpuOf))).map((after, at) => after - before[at]!);
      return used.reduce((sum, microseconds) => sum + microseconds) > MEASURED_MICROSECONDS;
    });
    const [alone, crowd, large] = used as [number, number, number];
    t.diagnostic(
      `guaranteed 200, 200 and 600 with 1, 8 and 2 processes: ${used.map((us) => Math.round(us / 1000))} ms`,
    );
    assert.ok(crowd / alone < 1.6 && alone / crowd < 1.6, `eight processes against one: ${crowd / alone}`);
    assert.ok(large / alone > 2 && large / alone < 4.5, `three times the guarantee: ${large / alone}`);
    for (const command of running.splice(0)) command.kill("SIGKILL");
  });

  test("of memory counts files in memory, and what they are given of it bounds those that would stay", async () => {
    const plan = await sliver({ memoryMib: 32 });
    const sh = (script: string) => run(backend, plan.id, { argv: ["sh", "-c", script] });
    const full = await sh("dd if=/dev/zero of=/dev/shm/hog bs=1M count=64");
    assert.match(full.stderr, /No space left/);
    assert.equal((await sh("du -m /dev/shm/hog | cut -f1")).stdout, "16\n");
    assert.ok((await backend.usage(plan.id)).memoryBytes >= 16 << 20, "they are counted as the sliver's");
    assert.equal((await sh("echo alive")).stdout, "alive\n");
    // Contents of files on the disk are dropped from memory where it is wanted: nobody is ended for them.
    assert.equal(
      (await sh("dd if=/dev/zero of=/tmp/large bs=1M count=64 2>/dev/null; rm /tmp/large")).code,
      0,
    );
    assert.ok((await backend.usage(plan.id)).memoryBytes <= 32 << 20);
    assert.equal((await backend.usage(plan.id)).memoryKills, 0);
    assert.equal((await sh("timeout 20 tail /dev/zero")).code, 137, "it reads a line that never ends");
    assert.equal((await backend.usage(plan.id)).memoryKills, 1);
    const device = await sh("dd if=/dev/zero of=/dev/hog bs=1k count=1024");
    assert.match(device.stderr, /No space left/);
  });

  test("of open files is bounded for each process, and no limit is raised from inside", async () => {
    const plan = await sliver({});
    const sh = (script: string) => run(backend, plan.id, { argv: ["sh", "-c", script] });
    const { stdout } = await sh("ulimit -Sn; ulimit -Hn");
    const [soft, hard] = stdout.trim().split("\n").map(Number);
    assert.equal(soft, hard);
    assert.ok(hard! <= 65_536);
    assert.match((await sh(`ulimit -n ${hard! + 1}`)).stderr, /not permitted/);
  });
});
