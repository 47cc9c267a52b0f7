import { add, combine, exceeds, larger, NOTHING, type Share, type ShareDimension } from "./resources.ts";
import { type Instant, includes, type Term } from "./time.ts";

/** Something that takes from an account for a time: an issued ticket at its issuer, a lease at its node. */
export type Charge = { readonly share: Share; readonly during: Term };

/** What one holding of an account allows while it is in term. */
export type Limit = { readonly share: Share; readonly during: Term };

/** Where a demand first does not fit. */
export type Shortfall = {
  readonly at: Instant;
  readonly dimension: ShareDimension;
  readonly asked: number;
  readonly free: number;
};

/** The limit at one instant: of the holdings in term, the larger in every dimension (WIRE.md §1, Accounts). */
export function limitAt(limits: readonly Limit[], instant: Instant): Share {
  return limits.filter((l) => includes(l.during, instant)).reduce((sum, l) => larger(sum, l.share), NOTHING);
}

/** The sum of all charges at one instant. */
export function usedAt(charges: readonly Charge[], instant: Instant): Share {
  return charges.filter((c) => includes(c.during, instant)).reduce((sum, c) => add(sum, c.share), NOTHING);
}

/**
 * Where `demand` would first exceed the account, or undefined when it fits at every instant. Used amounts only rise
 * where a charge starts and limits only change where a holding starts or ends, so these instants are enough.
 */
export function shortfall(
  limits: readonly Limit[],
  charges: readonly Charge[],
  demand: Charge,
): Shortfall | undefined {
  for (const at of instantsOfChange(limits, charges, demand.during)) {
    const limit = limitAt(limits, at);
    const used = usedAt(charges, at);
    const dimension = exceeds(add(used, demand.share), limit);
    if (dimension) {
      const free = Math.max(0, limit[dimension] - used[dimension]);
      return { at, dimension, asked: demand.share[dimension], free };
    }
  }
  return undefined;
}

/** What is free at every instant of a term: the smallest of what is left, never below nothing. */
export function freeDuring(limits: readonly Limit[], charges: readonly Charge[], during: Term): Share {
  const left = instantsOfChange(limits, charges, during).map((at) =>
    combine(limitAt(limits, at), usedAt(charges, at), (limit, used) => Math.max(0, limit - used)),
  );
  return left.reduce((a, b) => combine(a, b, Math.min));
}

/** A limit multiplied by an overbooking factor in thousandths, rounded down. */
export function overbooked(share: Share, perMille: number): Share {
  return combine(share, NOTHING, (amount) => Math.floor((amount * perMille) / 1000));
}

function instantsOfChange(limits: readonly Limit[], charges: readonly Charge[], during: Term): Instant[] {
  const changes = [
    ...charges.map((c) => c.during.start),
    ...limits.flatMap((l) => [l.during.start, l.during.end]),
  ];
  return [during.start, ...new Set(changes.filter((at) => at > during.start && at < during.end))].sort(
    (a, b) => a - b,
  );
}
