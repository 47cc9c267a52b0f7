import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Charge,
  freeDuring,
  type Limit,
  limitAt,
  overbooked,
  shortfall,
  usedAt,
} from "#shared/model/account.ts";
import {
  add,
  combine,
  exceeds,
  larger,
  NOTHING,
  SHARE_DIMENSIONS,
  type Share,
  shareOfOne,
} from "#shared/model/resources.ts";
import type { Term } from "#shared/model/time.ts";

/** Times are small, so that a brute force can look at every instant there is. */
const END_OF_TIME = 30;

const during: fc.Arbitrary<Term> = fc
  .tuple(fc.nat({ max: END_OF_TIME - 1 }), fc.nat({ max: END_OF_TIME - 1 }))
  .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) + 1 }));

const shareUpTo = (max: number): fc.Arbitrary<Share> => {
  const amount = fc.nat({ max });
  return fc.record({
    cpuMillis: amount,
    memoryMib: amount,
    diskMib: amount,
    egressKbps: amount,
    slivers: amount,
  });
};
const entry = (max: number) => fc.record({ share: shareUpTo(max), during });
const books = fc.record({
  limits: fc.array(entry(12), { maxLength: 3 }),
  charges: fc.array(entry(4), { maxLength: 6 }),
  demand: entry(6),
});

function instants(term: Term): number[] {
  return Array.from({ length: term.end - term.start }, (_, index) => term.start + index);
}

/** WIRE.md §1, Accounts, said once more without any cleverness. */
function bruteLimit(limits: readonly Limit[], at: number): Share {
  let limit = NOTHING;
  for (const l of limits) if (l.during.start <= at && at < l.during.end) limit = larger(limit, l.share);
  return limit;
}

function bruteUsed(charges: readonly Charge[], at: number): Share {
  let used = NOTHING;
  for (const c of charges) if (c.during.start <= at && at < c.during.end) used = add(used, c.share);
  return used;
}

test("a demand fits exactly when it fits at every instant, and the shortfall told is the first", () => {
  fc.assert(
    fc.property(books, ({ limits, charges, demand }) => {
      const first = instants(demand.during).find((at) =>
        exceeds(add(bruteUsed(charges, at), demand.share), bruteLimit(limits, at)),
      );
      const told = shortfall(limits, charges, demand);
      assert.equal(told?.at, first);
      if (!told) return;
      const { dimension } = told;
      const left = bruteLimit(limits, told.at)[dimension] - bruteUsed(charges, told.at)[dimension];
      assert.equal(told.asked, demand.share[dimension]);
      assert.equal(told.free, Math.max(0, left));
    }),
    { numRuns: 3000 },
  );
});

test("what is free is what is left at the worst instant, never below nothing", () => {
  fc.assert(
    fc.property(books, ({ limits, charges, demand }) => {
      const left = instants(demand.during).map((at) =>
        combine(bruteLimit(limits, at), bruteUsed(charges, at), (limit, used) => Math.max(0, limit - used)),
      );
      assert.deepEqual(
        freeDuring(limits, charges, demand.during),
        left.reduce((a, b) => combine(a, b, Math.min)),
      );
    }),
    { numRuns: 3000 },
  );
});

test("what is said to be free can be taken, and not one more of anything", () => {
  fc.assert(
    fc.property(books, ({ limits, charges, demand: { during } }) => {
      const overUsed = instants(during).some((at) => exceeds(usedAt(charges, at), limitAt(limits, at)));
      fc.pre(!overUsed);
      const free = freeDuring(limits, charges, during);
      assert.equal(shortfall(limits, charges, { share: free, during }), undefined);
      for (const dimension of SHARE_DIMENSIONS) {
        const more = { ...free, [dimension]: free[dimension] + 1 };
        assert.equal(shortfall(limits, charges, { share: more, during })?.dimension, dimension);
      }
    }),
    { numRuns: 1000 },
  );
});

test("charges taken one by one whenever they fit never exceed the account at any instant", () => {
  fc.assert(
    fc.property(
      fc.array(entry(12), { minLength: 1, maxLength: 3 }),
      fc.array(entry(5), { maxLength: 20 }),
      (limits, demands) => {
        const taken: Charge[] = [];
        for (const demand of demands) if (!shortfall(limits, taken, demand)) taken.push(demand);
        for (const at of instants({ start: 0, end: END_OF_TIME })) {
          assert.equal(exceeds(bruteUsed(taken, at), bruteLimit(limits, at)), undefined, `at ${at}`);
        }
      },
    ),
    { numRuns: 500 },
  );
});

const share = (amount: number): Share => shareOf(() => amount);
const shareOf = (amount: (dimension: keyof Share) => number): Share => ({
  cpuMillis: amount("cpuMillis"),
  memoryMib: amount("memoryMib"),
  diskMib: amount("diskMib"),
  egressKbps: amount("egressKbps"),
  slivers: amount("slivers"),
});

test("a holding and the one it replaces are one account: the larger of the two, never the sum", () => {
  const old = { share: { ...share(10), cpuMillis: 20 }, during: { start: 0, end: 20 } };
  const renewed = { share: { ...share(10), memoryMib: 30 }, during: { start: 10, end: 40 } };
  const limits = [old, renewed];
  assert.deepEqual(limitAt(limits, 9), old.share);
  assert.deepEqual(limitAt(limits, 10), { ...share(10), cpuMillis: 20, memoryMib: 30 });
  assert.deepEqual(limitAt(limits, 20), renewed.share);
  assert.deepEqual(limitAt(limits, 40), NOTHING);
  const filled = [{ share: share(10), during: { start: 5, end: 15 } }];
  const again = {
    share: shareOfOne({ cpuMillis: 0, memoryMib: 0, diskMib: 1, egressKbps: 0 }),
    during: { start: 12, end: 13 },
  };
  assert.deepEqual(shortfall(limits, filled, again), { at: 12, dimension: "diskMib", asked: 1, free: 0 });
});

test("a charge over the change from a holding to a smaller one counts against both", () => {
  const limits = [
    { share: share(10), during: { start: 0, end: 20 } },
    { share: share(4), during: { start: 10, end: 40 } },
  ];
  const demand = { share: share(5), during: { start: 15, end: 25 } };
  assert.deepEqual(shortfall(limits, [], demand), { at: 20, dimension: "cpuMillis", asked: 5, free: 4 });
  assert.equal(shortfall(limits, [], { ...demand, during: { start: 15, end: 20 } }), undefined);
});

test("intervals are half-open: what ends when another starts does not meet it", () => {
  const limits = [{ share: share(1), during: { start: 0, end: 20 } }];
  const first = { share: share(1), during: { start: 0, end: 10 } };
  assert.equal(shortfall(limits, [first], { share: share(1), during: { start: 10, end: 20 } }), undefined);
  assert.equal(shortfall(limits, [first], { share: share(1), during: { start: 9, end: 20 } })?.at, 9);
  assert.equal(shortfall(limits, [], { share: share(1), during: { start: 10, end: 21 } })?.at, 20);
});

test("an account without a holding in term has nothing", () => {
  const demand = {
    share: shareOfOne({ cpuMillis: 0, memoryMib: 0, diskMib: 0, egressKbps: 0 }),
    during: { start: 0, end: 1 },
  };
  assert.equal(shortfall([], [], demand)?.dimension, "slivers");
  assert.deepEqual(freeDuring([], [], demand.during), NOTHING);
});

test("overbooking multiplies every dimension and rounds down", () => {
  assert.deepEqual(overbooked({ ...share(3), cpuMillis: 999 }, 1500), { ...share(4), cpuMillis: 1498 });
  assert.deepEqual(overbooked(share(7), 1000), share(7));
});
