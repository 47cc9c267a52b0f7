import { readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { ClockState } from "./clock-state.ts";

/** What the kernel says of a node at one moment, in its own units. Only what could be read is there. */
export type NodeReading = {
  readonly cpus?: number;
  /** Clock ticks since boot, by what they were spent on, in the order of CPU_STATES. */
  readonly ticks?: readonly number[];
  /** When the node booted, in seconds since 1970. */
  readonly booted?: number;
  readonly load?: readonly [one: number, five: number, fifteen: number];
  readonly processes?: { readonly running: number; readonly total: number };
  /** In KiB, by the kernel's names. */
  readonly memory?: ReadonlyMap<string, number>;
  readonly network?: NetworkCounts;
  readonly disk?: { readonly totalBytes: number; readonly freeBytes: number };
  readonly clock?: ClockState;
};

/** What went through the interfaces that lead out, since they are there. */
export type NetworkCounts = {
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
};

export const CPU_STATES = ["user", "nice", "system", "idle", "wio", "intr", "sintr", "steal"] as const;

/** Reads `proc` (normally /proc), how full the file system of `diskPath` is, and how the clock is. */
export async function readNode(
  proc: string,
  diskPath: string,
  clock: () => ClockState | undefined,
): Promise<NodeReading> {
  const [stat, load, memory, network, routes] = await Promise.all(
    ["stat", "loadavg", "meminfo", "net/dev", "net/route"].map((name) => contents(join(proc, name))),
  );
  const clockState = clock();
  return {
    ...(clockState && { clock: clockState }),
    ...(stat && readStat(stat)),
    ...(load && readLoad(load)),
    ...(memory && { memory: readMemory(memory) }),
    ...(network && { network: readNetwork(network, routes ?? "") }),
    ...(await readDisk(diskPath)),
  };
}

/** Undefined where there is no such file, as in a stricter container. */
async function contents(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EACCES" || code === "EPERM") return undefined;
    throw error;
  }
}

function readStat(text: string): Pick<NodeReading, "cpus" | "ticks" | "booted"> {
  const ticks = /^cpu +(.*)$/m.exec(text)?.[1]?.split(" ").slice(0, CPU_STATES.length).map(Number);
  const booted = /^btime (\d+)$/m.exec(text)?.[1];
  const cpus = text.match(/^cpu\d+ /gm)?.length;
  return {
    ...(ticks?.length === CPU_STATES.length && ticks.every(Number.isFinite) && { ticks }),
    ...(booted && { booted: Number(booted) }),
    ...(cpus && { cpus }),
  };
}

function readLoad(text: string): Pick<NodeReading, "load" | "processes"> {
  const [, one, five, fifteen, running, total] = /^([\d.]+) ([\d.]+) ([\d.]+) (\d+)\/(\d+) /.exec(text) ?? [];
  if (total === undefined) return {};
  return {
    load: [Number(one), Number(five), Number(fifteen)],
    processes: { running: Number(running), total: Number(total) },
  };
}

function readMemory(text: string): ReadonlyMap<string, number> {
  const lines = text.matchAll(/^([\w()]+): +(\d+) kB$/gm);
  return new Map([...lines].map(([, name, kib]) => [name!, Number(kib)]));
}

/**
 * The interfaces of the default route, so that what slivers' own interfaces carry is not counted twice; all but the
 * loopback where no route leads out.
 */
function readNetwork(text: string, routes: string): NetworkCounts {
  const leading = new Set([...routes.matchAll(/^(\S+)\t00000000\t/gm)].map(([, name]) => name));
  const counts = { receivedBytes: 0, receivedPackets: 0, sentBytes: 0, sentPackets: 0 };
  for (const [, name, rest] of text.matchAll(/^ *([^\s:]+): *(.*)$/gm)) {
    if (leading.size > 0 ? !leading.has(name) : name === "lo") continue;
    const numbers = rest!.trim().split(/ +/).map(Number);
    counts.receivedBytes += numbers[0] ?? 0;
    counts.receivedPackets += numbers[1] ?? 0;
    counts.sentBytes += numbers[8] ?? 0;
    counts.sentPackets += numbers[9] ?? 0;
  }
  return counts;
}

async function readDisk(path: string): Promise<Pick<NodeReading, "disk">> {
  try {
    const { blocks, bavail, bsize } = await statfs(path);
    return { disk: { totalBytes: blocks * bsize, freeBytes: bavail * bsize } };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}
