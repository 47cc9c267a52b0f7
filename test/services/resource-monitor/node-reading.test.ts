import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { clockStateFrom, readClockState } from "#services/resource-monitor/clock-state.ts";
import { nodeMetrics } from "#services/resource-monitor/node-metrics.ts";
import { readNode } from "#services/resource-monitor/node-reading.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runToSuccess } from "#test/support/program.ts";
import { isThere } from "#testbed/packages.ts";

/** A machine whose clock may not be asked about. */
const noClock = () => undefined;

type Counts = { readonly idle: number; readonly user: number; readonly received: number };

async function writeProc(proc: string, { idle, user, received }: Counts): Promise<void> {
  await mkdir(join(proc, "net"), { recursive: true });
  const files = {
    stat: `cpu  ${user} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\ncpu1 1 0 0 1 0 0 0 0 0 0\nbtime 1700000000\n`,
    loadavg: "0.50 1.25 2.00 3/456 789\n",
    meminfo: "MemTotal:        2048 kB\nMemFree:          1024 kB\nHugePages_Total:       0\n",
    "net/dev": [
      "Inter-|   Receive                                                |  Transmit",
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed",
      "    lo: 999999    9999    0    0    0     0          0         0  99999    9999    0    0    0     0       0          0",
      `  eth0: ${received}      20    0    0    0     0          0         0     300       4    0    0    0     0       0          0`,
      "  veth7: 888888    8888    0    0    0     0          0         0  88888    8888    0    0    0     0       0          0",
    ].join("\n"),
    "net/route":
      "Iface\tDestination\tGateway\neth0\t00000000\t0100000A\t0003\nveth7\t0000000A\t00000000\t0001\n",
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(proc, name), text);
}

test("a node is read from the files of its kernel, and told by gmond's names", async () => {
  await using directory = await temporaryDirectory();
  await writeProc(directory.path, { user: 100, idle: 1000, received: 5000 });
  const before = await readNode(directory.path, directory.path, noClock);
  await writeProc(directory.path, { user: 175, idle: 1025, received: 6000 });
  const now = await readNode(directory.path, directory.path, noClock);
  const values = new Map(nodeMetrics(now, before, 10, 30).map(({ name, value }) => [name, value]));
  const { disk_total: total, disk_free: free, ...told } = Object.fromEntries(values);
  assert.ok(Number(total) >= Number(free) && Number(free) > 0);
  assert.deepEqual(told, {
    cpu_num: "2",
    boottime: "1700000000",
    load_one: "0.50",
    load_five: "1.25",
    load_fifteen: "2.00",
    proc_run: "3",
    proc_total: "456",
    mem_total: "2048.000",
    mem_free: "1024.000",
    cpu_user: "75.0",
    cpu_nice: "0.0",
    cpu_system: "0.0",
    cpu_idle: "25.0",
    cpu_wio: "0.0",
    cpu_intr: "0.0",
    cpu_sintr: "0.0",
    cpu_steal: "0.0",
    bytes_in: "100.00",
    bytes_out: "0.00",
    pkts_in: "0.00",
    pkts_out: "0.00",
  });
});

test("counters that began again are no negative rates, and the first look has no rates", async () => {
  await using directory = await temporaryDirectory();
  await writeProc(directory.path, { user: 100, idle: 1000, received: 5000 });
  const before = await readNode(directory.path, directory.path, noClock);
  await writeProc(directory.path, { user: 1, idle: 1, received: 10 });
  const now = await readNode(directory.path, directory.path, noClock);
  const metrics = nodeMetrics(now, before, 10, 30);
  assert.ok(metrics.every(({ value }) => Number(value) >= 0));
  assert.ok(
    !nodeMetrics(now, undefined, 0, 30).some(({ name }) => name === "cpu_user" || name === "bytes_in"),
  );
});

test("what a node does not tell is left out, and what makes no sense is, too", async () => {
  await using directory = await temporaryDirectory();
  const missing = join(directory.path, "nothing");
  assert.deepEqual(await readNode(missing, missing, noClock), {});
  await writeFile(join(directory.path, "stat"), "cpu  a b c\nbtime x\n");
  await writeFile(join(directory.path, "loadavg"), "");
  assert.deepEqual(nodeMetrics(await readNode(directory.path, missing, noClock), undefined, 0, 30), []);
});

test("the node this runs on is told whole", async () => {
  const names = nodeMetrics(await readNode("/proc", "/", noClock), undefined, 0, 30).map(({ name }) => name);
  for (const name of ["cpu_num", "boottime", "load_one", "proc_total", "mem_total", "mem_free", "disk_free"])
    assert.ok(names.includes(name), name);
});

/** What adjtimex(2) writes: how wrong the clock is at most and by estimate, in microseconds. */
function timex(maximum: bigint, estimated: bigint): Buffer {
  const bytes = Buffer.alloc(208);
  bytes.writeBigInt64LE(maximum, 24);
  bytes.writeBigInt64LE(estimated, 32);
  return bytes;
}

test("a clock that is kept right is told with its error, one that is not without, one that is not known not at all", () => {
  const told = (state: number) => {
    const clock = clockStateFrom(state, timex(12_500n, 750n));
    const metrics = nodeMetrics({ ...(clock && { clock }) }, undefined, 0, 30);
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
  const errors = { clock_error_ms: "0.750", clock_error_max_ms: "12.500" };
  assert.deepEqual(told(0), { clock_synchronised: "1", ...errors });
  assert.deepEqual(told(1), { clock_synchronised: "1", ...errors }, "with a leap second to come");
  assert.deepEqual(told(5), { clock_synchronised: "0" });
  assert.deepEqual(told(-1), {});
});

const ASKING = "import ctypes; b = ctypes.create_string_buffer(208); print(ctypes.CDLL(None).adjtimex(b))";

test("the state of this machine's clock is what the kernel tells others", {
  skip: !isThere("python3") && "python3 is not installed",
}, async () => {
  const state = Number(await runToSuccess("python3", ["-c", ASKING]));
  assert.equal(readClockState()?.synchronised, state < 0 ? undefined : state !== 5);
});
