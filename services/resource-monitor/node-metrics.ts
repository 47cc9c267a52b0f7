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
  const standing = [...machine(now), ...memory(now), ...disk(now), ...clock(now)];
  const moving = before && seconds > 0 ? [...processors(now, before), ...network(now, before, seconds)] : [];
  return [...standing, ...moving].map(([name, value, kind]) => metric(name, value, kind, tmax));
}

type Found = readonly [name: string, value: string, kind: Kind];

function machine({ cpus, booted, load, processes }: NodeReading): Found[] {
  const loads = ["load_one", "load_five", "load_fifteen"];
  return [
    ...(cpus === undefined ? [] : [["cpu_num", String(cpus), CPUS] as const]),
    ...(booted === undefined ? [] : [["boottime", String(booted), BOOTED] as const]),
    ...(load ? loads.map((name, index) => [name, load[index]!.toFixed(2), LOAD] as const) : []),
    ...(processes
      ? [
          ["proc_run", String(processes.running), PROCESSES] as const,
          ["proc_total", String(processes.total), PROCESSES] as const,
        ]
      : []),
  ];
}

function memory({ memory: read }: NodeReading): Found[] {
  return MEMORY.flatMap(([name, kernel]) => {
    const kib = read?.get(kernel);
    return kib === undefined ? [] : [[name, kib.toFixed(3), KIB] as const];
  });
}

function disk({ disk: read }: NodeReading): Found[] {
  if (!read) return [];
  return [
    ["disk_total", gigabytes(read.totalBytes), GB],
    ["disk_free", gigabytes(read.freeBytes), GB],
  ];
}

function clock({ clock: read }: NodeReading): Found[] {
  if (!read) return [];
  const { synchronised, error } = read;
  const known: Found = ["clock_synchronised", synchronised ? "1" : "0", SYNCHRONISED];
  if (!error) return [known];
  return [
    known,
    ["clock_error_ms", error.estimatedMs.toFixed(3), MILLISECONDS],
    ["clock_error_max_ms", error.maximumMs.toFixed(3), MILLISECONDS],
  ];
}

function processors(now: NodeReading, before: NodeReading): Found[] {
  const shares = processorShares(now.ticks, before.ticks);
  return shares.map(([name, percent]) => [name, percent.toFixed(1), PERCENT]);
}

function network({ network: now }: NodeReading, { network: before }: NodeReading, seconds: number): Found[] {
  if (!now || !before) return [];
  return NETWORK.map(([name, count, kind]) => {
    return [name, (grown(now[count], before[count]) / seconds).toFixed(2), kind];
  });
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
