import { readFile } from "node:fs/promises";
import type { Traffic } from "../backend.ts";

/** What went through a link, from its own point of view. */
export type LinkTraffic = { readonly received: Traffic; readonly sent: Traffic };

/** The links of the network namespace this process is in, as the kernel counts them. */
export async function links(): Promise<Map<string, LinkTraffic>> {
  const lines = (await readFile("/proc/self/net/dev", "utf8")).split("\n").slice(2);
  return new Map(lines.filter((line) => line !== "").map(counted));
}

export async function linkNames(): Promise<Set<string>> {
  return new Set((await links()).keys());
}

/** `name: bytes packets …` with eight counters of what was received and eight of what was sent (proc(5)). */
function counted(line: string): [string, LinkTraffic] {
  const colon = line.indexOf(":");
  const counters = line
    .slice(colon + 1)
    .trim()
    .split(/\s+/)
    .map(Number);
  const traffic = (at: number) => ({ bytes: counters[at] ?? 0, packets: counters[at + 1] ?? 0 });
  return [line.slice(0, colon).trim(), { received: traffic(0), sent: traffic(8) }];
}
