import type { HostMetric } from "#shared/wire/ganglia/host-metric.ts";
import type { MetricType, Slope } from "#shared/wire/ganglia/packet.ts";
import { CPU_STATES, type NetworkCounts, type NodeReading } from "./node-reading.ts";

type Kind = {
  readonly group: string;
  readonly units: string;
  readonly type?: MetricType;
  readonly slope?: Slope;
};

const PERCENT: Kind = { group: "cpu", units: "%" };
const LOAD: Kind = { group: "load", units: " " };
const KIB: Kind = { group: "memory", units: "KB" };
const GB: Kind = { group: "disk", units: "GB", type: "double" };
const PROCESSES: Kind = { group: "process", units: " ", type: "uint32" };
const BYTES: Kind = { group: "network", units: "bytes/sec" };
const PACKETS: Kind = { group: "network", units: "packets/sec" };
const CPUS: Kind = { group: "cpu", units: "CPUs", type: "uint16", slope: "zero" };
const BOOTED: Kind = { group: "system", units: "s", type: "uint32", slope: "zero" };

const SYNCHRONISED: Kind = { group: "clock", units: " ", type: "uint32" };
const MILLISECONDS: Kind = { group: "clock", units: "ms" };

/** By the names that gmond gives them, so that everything that reads gmond understands them. */
const MEMORY: readonly (readonly [metric: string, kernel: string])[] = [
  ["mem_total", "MemTotal"],
  ["mem_free", "MemFree"],
  ["mem_available", "MemAvailable"],
  ["mem_buffers", "Buffers"],
  ["mem_cached", "Cached"],
  ["mem_shared", "Shmem"],
  ["swap_total", "SwapTotal"],
  ["swap_free", "SwapFree"],
];

const NETWORK: readonly (readonly [metric: string, count: keyof NetworkCounts, kind: Kind])[] = [
  ["bytes_in", "receivedBytes", BYTES],
  ["bytes_out", "sentBytes", BYTES],
  ["pkts_in", "receivedPackets", PACKETS],
  ["pkts_out", "sentPackets", PACKETS],
];

/**
 * The metrics of a node from what it read just now, and of what only grows, from what it read `seconds` before. TMAX is
 * what they should be repeated within.
 */
export function nodeMetrics(
  now: NodeReading,
  before: NodeReading | undefined,
  seconds: number,
  tmax: number,
): readonly HostMetric[] {
  const found: HostMetric[] = [];
  const add = (name: string, value: string, kind: Kind) => found.push(metric(name, value, kind, tmax));
  if (now.cpus !== undefined) add("cpu_num", String(now.cpus), CPUS);
  if (now.booted !== undefined) add("boottime", String(now.booted), BOOTED);
  for (const [index, name] of ["load_one", "load_five", "load_fifteen"].entries())
    if (now.load) add(name, now.load[index]!.toFixed(2), LOAD);
  if (now.processes) {
    add("proc_run", String(now.processes.running), PROCESSES);
    add("proc_total", String(now.processes.total), PROCESSES);
  }
  for (const [name, kernel] of MEMORY) {
    const kib = now.memory?.get(kernel);
    if (kib !== undefined) add(name, kib.toFixed(3), KIB);
  }
  if (now.disk) {
    add("disk_total", gigabytes(now.disk.totalBytes), GB);
    add("disk_free", gigabytes(now.disk.freeBytes), GB);
  }
  if (now.clock) add("clock_synchronised", now.clock.synchronised ? "1" : "0", SYNCHRONISED);
  if (now.clock?.error) {
    add("clock_error_ms", now.clock.error.estimatedMs.toFixed(3), MILLISECONDS);
    add("clock_error_max_ms", now.clock.error.maximumMs.toFixed(3), MILLISECONDS);
  }
  if (!before || seconds <= 0) return found;
  for (const [name, percent] of processorShares(now.ticks, before.ticks))
    add(name, percent.toFixed(1), PERCENT);
  for (const [name, count, kind] of NETWORK)
    if (now.network && before.network)
      add(name, (grown(now.network[count], before.network[count]) / seconds).toFixed(2), kind);
  return found;
}

function processorShares(
  now: readonly number[] | undefined,
  before: readonly number[] | undefined,
): readonly (readonly [name: string, percent: number])[] {
  if (!now || !before) return [];
  const spent = now.map((ticks, index) => grown(ticks, before[index]!));
  const all = spent.reduce((sum, ticks) => sum + ticks, 0);
  return CPU_STATES.map((state, index) => [`cpu_${state}`, all > 0 ? (100 * spent[index]!) / all : 0]);
}

/** Counters begin again when an interface does; a processor's idle time is known to step back a little. */
function grown(now: number, before: number): number {
  return Math.max(0, now - before);
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(3);
}

function metric(name: string, value: string, kind: Kind, tmax: number): HostMetric {
  const { group, units, type = "float", slope = "both" } = kind;
  return { name, value, metadata: { type, units, slope, tmax, dmax: 0, extra: [["GROUP", group]] } };
}
