import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { UsageHistory } from "#services/node-manager/usage/history.ts";
import { startUsageSampler } from "#services/node-manager/usage/sampler.ts";
import { slicestatLine } from "#services/node-manager/usage/slicestat.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { run, someNode, somePlan } from "#test/contract/backend.ts";
import { containerBench, engineProbe } from "./container-bench.ts";

const probe = await engineProbe();
const CAPACITY = { cpuMillis: 1000, memoryMib: 1024, diskMib: 1, egressKbps: 1, slivers: 1 };

/** Works for a moment, and leaves a process behind. */
const BUSY = "exec >/dev/null 2>&1; sleep 30 & timeout 1 sh -c 'while :; do :; done'; true";

/** Sends so many kilobytes to a port nobody listens on in a sliver: it answers that there is nobody. */
async function disturb(address: string, kilobytes: number): Promise<void> {
  const socket = createSocket("udp4");
  const send = promisify(
    socket.send.bind(socket) as (bytes: Buffer, port: number, to: string, done: () => void) => void,
  );
  for (let sent = 0; sent < kilobytes; sent++) await send(Buffer.alloc(1000), 9, address);
  socket.close();
}

test("a real sliver's line says what it did", { skip: !probe.ok && probe.reason }, async () => {
  await using bench = await containerBench();
  const name = someNode();
  const backend = await bench.open(name);
  const plan = somePlan({ slice: "busy" });
  await backend.ensure(plan);
  const history = new UsageHistory();
  await using sampler = startUsageSampler({
    ...{ live: () => [{ sliver: plan.id, engine: "container" as const }], engines: [backend], history },
    ...{ uptime: () => performance.now(), log: silentLog(), everyMs: 3_600_000, onUsage: () => {} },
  });
  await sampler.round();
  await run(backend, plan.id, { argv: ["sh", "-c", BUSY] });
  const place = join(bench.stateDirectory, name, "slivers", plan.id, "address.json");
  await disturb(JSON.parse(await readFile(place, "utf8")).address, 100);
  await sampler.round();
  const node = { ip: "10.77.0.1", capacity: CAPACITY };
  const fields = slicestatLine({ slice: "busy", sliver: plan.id }, history.of(plan.id), node).split(",");
  assert.equal(fields.length, 15);
  const [cpu, memory, physical, , processes, sent, , , received] = fields.slice(2).map(Number);
  assert.ok(cpu! > 1, `it worked: ${fields}`);
  assert.ok(memory! >= 0 && physical! > 0 && physical! <= 64 * 1024, `within its memory: ${fields}`);
  assert.ok(processes! >= 2, `its first process and one that sleeps: ${fields}`);
  assert.ok(received! > 10 && sent! > 0, `it was disturbed and said so: ${fields}`);
  assert.equal(fields[14], "1");
});
