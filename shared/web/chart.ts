import type { Instant } from "../model/time.ts";

/** One measurement: what was so on average from its start to its end. */
export type Span = { readonly start: Instant; readonly end: Instant; readonly value: number };

/** One line of a chart. */
export type Series = {
  readonly key: string;
  readonly title: string;
  /** By time, without overlap. Where nothing is known there is none: that is drawn as a gap. */
  readonly spans: readonly Span[];
};

/** What went on over a time, as curves. */
export type Chart = {
  readonly id: string;
  readonly title: string;
  /** Of all values: "MiB". */
  readonly unit: string;
  readonly from: Instant;
  readonly to: Instant;
  readonly series: readonly Series[];
  /** What there is at most, drawn as a line. */
  readonly whole?: number;
  /** Something that has to be known of it. */
  readonly hint?: string;
};

/** Two spans that are nearer than this (seconds) are one curve: nobody missed anything between them. */
const TOGETHER_SECONDS = 60;

/** The curves of a series: spans that follow one another. */
export function runsOf(spans: readonly Span[]): Span[][] {
  const runs: Span[][] = [];
  for (const span of spans) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    if (run && before && span.start - before.end <= TOGETHER_SECONDS) run.push(span);
    else runs.push([span]);
  }
  return runs;
}

/** The value of a series now: undefined when the last span ended long before the chart does. */
export function latest({ spans }: Series, to: Instant, withinSeconds: number): number | undefined {
  const last = spans.at(-1);
  return last && to - last.end <= withinSeconds ? last.value : undefined;
}

/** The mean over an interval, of the time that is known; undefined where nothing is. */
export function meanOf(spans: readonly Span[], from: Instant, to: Instant): number | undefined {
  let [seconds, sum] = [0, 0];
  for (const { start, end, value } of spans) {
    const overlap = Math.min(end, to) - Math.max(start, from);
    if (overlap <= 0) continue;
    seconds += overlap;
    sum += overlap * value;
  }
  return seconds === 0 ? undefined : sum / seconds;
}

/** The next number that people count in: 1, 2, 2.5 or 5 times a power of ten. At least 1. */
export function roundedUp(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value * (1 - 1e-9))!;
}

/** In few digits: they are to be compared, not copied. */
export function amount(value: number): string {
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

const LEAST_SECONDS = 3600;

/** From when a chart goes: as far back as anything is known, an hour at least and `most` seconds at most. */
export function beginning(spans: readonly Pick<Span, "start">[], to: Instant, most: number): Instant {
  const first = spans[0]?.start ?? to;
  return Math.max(to - most, Math.min(first, to - LEAST_SECONDS));
}
