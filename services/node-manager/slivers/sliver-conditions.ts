import type { Instant } from "#shared/model/time.ts";

/** Whether a sliver can be used, and why. */
export type SliverCondition = { readonly ready: boolean; readonly reason: string };

/** What was last found out about each sliver, and since when it has been so. Known to this process only. */
export class SliverConditions {
  readonly #byLease = new Map<string, SliverCondition & { readonly since: Instant }>();

  set(serial: string, condition: SliverCondition, now: Instant): void {
    const before = this.#byLease.get(serial);
    const since = before?.ready === condition.ready ? before.since : now;
    this.#byLease.set(serial, { ...condition, since });
  }

  of(serial: string): (SliverCondition & { readonly since: Instant }) | undefined {
    return this.#byLease.get(serial);
  }

  forget(serial: string): void {
    this.#byLease.delete(serial);
  }
}
