import { statfsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { combine, NOTHING, type Share } from "#shared/model/resources.ts";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";
import type { Layout, TestbedEngine } from "./layout.ts";

const MIB = 1024 ** 2;
/** Of the machine's memory, what is left to the services and to whoever uses the machine besides. */
const KEPT_MEMORY_MIB = 2048;
const EGRESS_KBPS = 1_000_000;
const SLIVERS_PER_NODE = 200;

/** What a simulated node has at least: nothing of it is real, and small machines should still hold many nodes. */
const SIMULATED_LEAST: Share = {
  cpuMillis: 1000,
  memoryMib: 2048,
  diskMib: 20_480,
  egressKbps: 100_000,
  slivers: SLIVERS_PER_NODE,
};

/**
 * What each of `nodes` nodes of a testbed may give away: an equal part of the machine as it was when the testbed was
 * first started with as many. At the next start slivers' disks have taken room, and a node that gave away less than
 * before would need new root tickets, for less than is leased.
 */
export async function capacityOfEach(nodes: number, engine: TestbedEngine, layout: Layout): Promise<Share> {
  const known = await remembered(layout);
  const name = `${nodes} ${engine}`;
  const share = known[name] ?? partOf(layout.home, nodes, engine);
  if (!known[name]) await writeDurably(layout.capacity, `${JSON.stringify({ ...known, [name]: share })}\n`);
  return share;
}

async function remembered({ capacity }: Layout): Promise<Record<string, Share>> {
  const text = await readIfPresent(capacity);
  return text ? JSON.parse(text.toString("utf8")) : {};
}

function partOf(home: string, nodes: number, engine: TestbedEngine): Share {
  const part = combine(machine(home), NOTHING, (whole) => Math.max(1, Math.floor(whole / nodes)));
  const share = { ...part, slivers: SLIVERS_PER_NODE };
  return engine === "simulated" ? combine(share, SIMULATED_LEAST, Math.max) : share;
}

function machine(home: string): Share {
  const { bavail, bsize } = statfsSync(home);
  const memoryMib = Math.floor(totalmem() / MIB);
  return {
    cpuMillis: availableParallelism() * 1000,
    memoryMib: Math.max(Math.floor(memoryMib / 2), memoryMib - KEPT_MEMORY_MIB),
    diskMib: Math.floor((bavail * bsize) / MIB / 2),
    egressKbps: EGRESS_KBPS,
    slivers: SLIVERS_PER_NODE,
  };
}
