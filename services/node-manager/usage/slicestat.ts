import type { Share } from "#shared/model/resources.ts";
import type { SliverId } from "../backends/backend.ts";
import type { Rates, RecentUsage } from "./history.ts";

/** A slice that has a sliver here. */
export type Counted = { readonly slice: string; readonly sliver: SliverId };

/** What all lines of a node have in common. */
export type SlicestatNode = { readonly ip: string; readonly capacity: Share };

/**
 * One line of Slicestat, the feed researchers scraped from every node (WIRE.md §4): 15 fields. Percentages are of what the
 * node gives away altogether; slivers have no swap, so that virtual memory is the physical one. A sliver that was not
 * looked at yet is there with zeros.
 */
export function slicestatLine(
  { slice, sliver }: Counted,
  recent: RecentUsage | undefined,
  { ip, capacity }: SlicestatNode,
): string {
  const { usage, processors = 0 } = recent ?? {};
  const { memoryBytes = 0, processes = 0 } = usage ?? {};
  const kilobytes = Math.round(memoryBytes / 1024);
  return [
    slice,
    contextOf(sliver),
    percent(processors * 1000, capacity.cpuMillis),
    percent(memoryBytes / 1024 / 1024, capacity.memoryMib),
    kilobytes,
    kilobytes,
    processes,
    ...(recent?.sent ?? NOTHING).map(kilobits),
    ...(recent?.received ?? NOTHING).map(kilobits),
    ip,
    activeAtLeast(processors, processes),
  ].join(",");
}

const NOTHING: Rates = [0, 0, 0];
/** Less processor than this is a sliver at rest: its supervisor looking around. */
const AT_REST = 0.001;

/** A vserver had a number; a sliver has 16 hexadecimal digits, of which the first seven make one. */
function contextOf(sliver: SliverId): number {
  return Number.parseInt(sliver.slice(0, 7), 16);
}

function percent(amount: number, whole: number): string {
  return (whole > 0 ? (100 * amount) / whole : 0).toFixed(1);
}

function kilobits(bytesPerSecond: number): string {
  return ((bytesPerSecond * 8) / 1000).toFixed(1);
}

/** How many processes the processor time of the last minute takes, at least. */
function activeAtLeast(processors: number, processes: number): number {
  return processors < AT_REST ? 0 : Math.min(processes, Math.ceil(processors));
}
