import { UsageError } from "./exit-code.ts";

/** Quantities as people write them on a command line. Whatever is not exactly one throws UsageError. */

const SECONDS: Record<string, number> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const MEBIBYTES: Record<string, number> = {
  "": 1,
  m: 1,
  mib: 1,
  g: 1024,
  gib: 1024,
  t: 1_048_576,
  tib: 1_048_576,
};
const KILOBITS: Record<string, number> = {
  "": 1,
  k: 1,
  kbit: 1,
  m: 1000,
  mbit: 1000,
  g: 1_000_000,
  gbit: 1_000_000,
};

/** A duration in seconds: 90, 90s, 30m, 12h, 7d, 2w. */
export function readDuration(text: string): number {
  const seconds = scaled(text, SECONDS);
  if (seconds === undefined || seconds < 1)
    throw new UsageError(`"${text}" is no duration; write 90s, 30m, 12h or 7d`);
  return seconds;
}

/** Cores, in thousandths: 0.25, 2, or 250m. */
export function readCores(text: string): number {
  const millis = /^(\d+)m$/.exec(text)?.[1];
  const cores = /^\d+(\.\d{1,3})?$/.test(text) ? Math.round(Number(text) * 1000) : undefined;
  const amount = millis === undefined ? cores : Number(millis);
  if (amount === undefined) throw new UsageError(`"${text}" is no number of cores; write 0.25, 2 or 250m`);
  return amount;
}

/** An amount of memory or disk, in MiB: 128, 128M, 2G. */
export function readMebibytes(text: string): number {
  const amount = scaled(text, MEBIBYTES);
  if (amount === undefined) throw new UsageError(`"${text}" is no size; write 512M or 2G`);
  return amount;
}

/** A rate, in kbit/s: 1000, 1000k, 10M. */
export function readKilobits(text: string): number {
  const amount = scaled(text, KILOBITS);
  if (amount === undefined) throw new UsageError(`"${text}" is no rate; write 1000k or 10M (bit/s)`);
  return amount;
}

/** A moment in UTC as an instant: 2030-01-31, "2030-01-31 12:00:00" or with T and Z. */
export function readMoment(text: string): number {
  const [, day, time = "00:00:00"] =
    /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2})?)Z?)?$/.exec(text) ?? [];
  const iso = `${day}T${time.length === 5 ? `${time}:00` : time}.000Z`;
  const milliseconds = Date.parse(iso);
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString() !== iso) {
    throw new UsageError(`"${text}" is no time; write "2030-01-31 12:00:00" (UTC)`);
  }
  return milliseconds / 1000;
}

function scaled(text: string, units: Record<string, number>): number | undefined {
  const [, number, unit = ""] = /^(\d{1,9})([A-Za-z]*)$/.exec(text) ?? [];
  const scale = Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined;
  return number === undefined || scale === undefined ? undefined : Number(number) * scale;
}

/** A duration for people, its two largest units: "1 d 3 h". */
export function formatDuration(seconds: number): string {
  const parts: string[] = [];
  let rest = Math.max(0, Math.round(seconds));
  for (const [unit, length] of [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const amount = Math.floor(rest / length);
    rest -= amount * length;
    if (amount > 0 && parts.length < 2) parts.push(`${amount} ${unit}`);
  }
  return parts.join(" ") || "0 s";
}
