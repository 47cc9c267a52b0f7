import type { Column } from "#shared/runtime/listing.ts";
import type { UsageStruct } from "#shared/wire/node-manager-api.ts";

/** Anything of which it may be known what it uses. */
type Using = { readonly usage?: UsageStruct };

/** What slivers use, as people read it; nothing where a node did not say. */
export const USAGE_COLUMNS: readonly Column<Using>[] = [
  { header: "CPU", value: ({ usage }) => (usage ? formatSeconds(usage.cpu_microseconds / 1e6) : "") },
  { header: "MEMORY", value: ({ usage }) => (usage ? formatBytes(usage.memory_bytes) : "") },
  { header: "DISK", value: ({ usage }) => (usage ? formatBytes(usage.disk_bytes) : "") },
  { header: "PROCESSES", value: ({ usage }) => (usage ? String(usage.processes) : "") },
  { header: "SENT", value: ({ usage }) => traffic(usage?.network?.sent), wide: true },
  { header: "RECEIVED", value: ({ usage }) => traffic(usage?.network?.received), wide: true },
  { header: "ALARMING", value: ({ usage }) => traffic(usage?.network?.alarming), wide: true },
];

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** With three digits or so: 512 B, 1.5 KiB, 34 MiB. */
export function formatBytes(bytes: number): string {
  let [amount, unit] = [bytes, 0];
  while (amount >= 1024 && unit < UNITS.length - 1) [amount, unit] = [amount / 1024, unit + 1];
  return `${unit > 0 && amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${UNITS[unit]}`;
}

/** Processor time since the sliver's start: 0.4 s, 12 s, 3 min, 2.5 h. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function traffic(counted: { bytes: number; packets: number } | undefined): string {
  return counted ? `${formatBytes(counted.bytes)} in ${counted.packets}` : "";
}
