/** One part of an attempt that is compared with the same part of others. */
export type Leg = {
  readonly name: string;
  /** The share of the deadline after which it is late, whatever its peers took. */
  readonly latest: number;
};

/** Nobody is late before this, in milliseconds: a packet that got lost is sent again within it. */
const LEAST_MS = 1000;
/** How many times as long as half of its peers took makes one late. */
const TIMES_MEDIAN = 3;

/**
 * After how many milliseconds one leg is late, so that another is tried beside it: as soon as half of those wanted have
 * done it, after three times their median, though never before a second; in any case at the leg's share of the deadline.
 * One among many machines is often slow, and seldom two of two ("The Tail at Scale", Dean and Barroso 2013).
 *
 * `took`: milliseconds of those who have done it.
 */
export function lateAfter(
  { latest }: Leg,
  { took, wanted, deadlineMs }: { took: readonly number[]; wanted: number; deadlineMs: number },
): number {
  const atLatest = deadlineMs * latest;
  if (took.length * 2 < wanted) return atLatest;
  return Math.min(atLatest, Math.max(LEAST_MS, TIMES_MEDIAN * median(took)));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
