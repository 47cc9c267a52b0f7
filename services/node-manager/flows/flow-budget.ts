import type { SliverId } from "../backends/backend.ts";

/** What one sliver may have recorded: so many at once, and so many a second all the time. */
const AT_ONCE = 20_000;
const A_SECOND = 1;

/**
 * How many flows of each sliver are still recorded one by one. One that begins more than any honest one would can neither
 * fill the disk nor, by filling it, have anybody's older flows forgotten: what is beyond is only counted.
 */
export class FlowBudget {
  readonly #left = new Map<SliverId, { left: number; at: number }>();

  /** `now` in seconds. */
  take(sliver: SliverId, now: number): boolean {
    const { left, at } = this.#left.get(sliver) ?? { left: AT_ONCE, at: now };
    const grown = Math.min(AT_ONCE, left + Math.max(0, now - at) * A_SECOND);
    this.#left.set(sliver, { left: Math.max(0, grown - 1), at: now });
    return grown >= 1;
  }

  keep(slivers: ReadonlySet<SliverId>): void {
    for (const sliver of this.#left.keys()) if (!slivers.has(sliver)) this.#left.delete(sliver);
  }
}
