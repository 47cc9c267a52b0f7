import type { Ceilings, Resources } from "#shared/model/resources.ts";

/** What a sliver without a guarantee weighs against others, in thousandths of a core: little, but never nothing. */
const LEAST_CPU_MILLIS = 10;
/** Of every quota. */
export const PERIOD_MICROSECONDS = 100_000;
/** The kernel takes no quota below one millisecond a period. */
const LEAST_QUOTA_MICROSECONDS = 1_000;

/** In the kernel's words: `shares` as of cgroup v1 (1024 a core), `quota` and `period` in microseconds. */
export type ProcessorShare = { readonly shares: number; readonly quota?: number; readonly period?: number };

/** The guarantee is a weight that counts when the processor is short, the ceiling a quota that always does. */
export function processorShare(resources: Resources, ceilings: Ceilings): ProcessorShare {
  const shares = Math.ceil((Math.max(resources.cpuMillis, LEAST_CPU_MILLIS) * 1024) / 1000);
  if (ceilings.cpuMillis === undefined) return { shares };
  const quota = Math.max((ceilings.cpuMillis * PERIOD_MICROSECONDS) / 1000, LEAST_QUOTA_MICROSECONDS);
  return { shares, quota, period: PERIOD_MICROSECONDS };
}
