import type { Instant } from "#shared/model/time.ts";

/** What was so at one moment. Undefined: no engine said. */
export type Moment = {
  /** Leases whose slivers live, and what they have been promised. */
  readonly leases: number;
  readonly leasedCpuMillis: number;
  readonly leasedMemoryMib: number;
  /** What all slivers together use. */
  readonly cpuMillis?: number;
  readonly memoryMib?: number;
  readonly receivedKbps?: number;
  readonly sentKbps?: number;
  /** How many leases began and ended since the moment before. */
  readonly begun: number;
  readonly ended: number;
};

/** What was so, on average, from `start` to `end`; of what began and ended, how many there were. */
export type PastSpan = Moment & { readonly start: Instant; readonly end: Instant };

/** How long a span is at first, and how long what is older than some hours is. */
export const FINE_SECONDS = 300;
const COARSE_SECONDS = 1800;
const COARSE_AFTER_SECONDS = 6 * 3600;
export const KEPT_SECONDS = 2 * 86_400;

const MEANS = [
  "leases",
  "leasedCpuMillis",
  "leasedMemoryMib",
  "cpuMillis",
  "memoryMib",
  "receivedKbps",
  "sentKbps",
] as const;

/** Moments or spans that lie together, as one span: means of what is known, sums of what happened. */
export function together(some: readonly Moment[], start: Instant, end: Instant): PastSpan {
  const means = MEANS.flatMap((key) => {
    const known = some.map((one) => one[key]).filter((value) => value !== undefined);
    return known.length === 0 ? [] : [[key, known.reduce((sum, value) => sum + value, 0) / known.length]];
  });
  const sum = (key: "begun" | "ended") => some.reduce((all, one) => all + one[key], 0);
  return { start, end, ...Object.fromEntries(means), begun: sum("begun"), ended: sum("ended") };
}

/**
 * The past with one span more: what is older than six hours by the half hour, what is older than two days not at all,
 * and nothing of a time that is still to come, since somebody set the clock.
 */
export function remembered(past: readonly PastSpan[], span: PastSpan): PastSpan[] {
  const now = span.end;
  const kept = [...past.filter(({ end }) => end <= span.start && end > now - KEPT_SECONDS), span];
  const bound = Math.floor((now - COARSE_AFTER_SECONDS) / COARSE_SECONDS) * COARSE_SECONDS;
  const old = kept.filter(({ end }) => end <= bound);
  const bins = Map.groupBy(old, ({ end }) => Math.ceil(end / COARSE_SECONDS));
  const thinned = [...bins.values()].flatMap((some) => runs(some).map(joined));
  return [...thinned, ...kept.slice(old.length)];
}

/** Spans with nothing between them. A gap stays one. */
function runs(spans: readonly PastSpan[]): PastSpan[][] {
  const found: PastSpan[][] = [];
  for (const span of spans) {
    const run = found.at(-1);
    if (run && run.at(-1)!.end === span.start) run.push(span);
    else found.push([span]);
  }
  return found;
}

function joined(run: readonly PastSpan[]): PastSpan {
  return run.length === 1 ? run[0]! : together(run, run[0]!.start, run.at(-1)!.end);
}
