import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  contains,
  formatInstant,
  includes,
  overlaps,
  parseInstant,
  type Term,
  term,
} from "#shared/model/time.ts";

const FIRST = Date.UTC(1970, 0, 1) / 1000;
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59) / 1000;

test("every second has one text, and that text only", () => {
  fc.assert(
    fc.property(fc.integer({ min: FIRST, max: LAST }), (instant) => {
      assert.match(formatInstant(instant), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      assert.equal(parseInstant(formatInstant(instant)), instant);
    }),
  );
});

test("a text that is read is written back the same, and any other is refused", () => {
  const padded = (digits: number, max: number) =>
    fc.nat({ max }).map((number) => String(number).padStart(digits, "0"));
  const text = fc
    .tuple(padded(4, 9999), padded(2, 13), padded(2, 32), padded(2, 25), padded(2, 61), padded(2, 61))
    .map(([y, mo, d, h, m, s]) => `${y}-${mo}-${d} ${h}:${m}:${s}`);
  fc.assert(
    fc.property(text, (text) => {
      let instant: number;
      try {
        instant = parseInstant(text);
      } catch (error) {
        assert.equal((error as Error).name, "MALFORMED");
        return;
      }
      assert.equal(formatInstant(instant), text);
    }),
    { numRuns: 2000 },
  );
});

test("days and hours that do not exist are refused, not counted on", () => {
  for (const text of [
    "2030-02-29 00:00:00",
    "2030-02-30 00:00:00",
    "2030-04-31 00:00:00",
    "2030-01-01 24:00:00",
  ]) {
    assert.throws(() => parseInstant(text), { name: "MALFORMED" }, text);
  }
  assert.equal(parseInstant("2032-02-29 00:00:00") + 86_400, parseInstant("2032-03-01 00:00:00"));
});

test("the first and the last second there are", () => {
  assert.equal(formatInstant(parseInstant("0000-01-01 00:00:00")), "0000-01-01 00:00:00");
  assert.equal(formatInstant(LAST), "9999-12-31 23:59:59");
});

test("an instant without a text is refused, not written as something else", () => {
  for (const instant of [LAST + 1, 1e15, -1e12, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => formatInstant(instant), { name: "MALFORMED" }, String(instant));
  }
});

test("a term is never empty", () => {
  assert.deepEqual(term(1, 2), { start: 1, end: 2 });
  assert.throws(() => term(1, 1), { name: "MALFORMED" });
  assert.throws(() => term(2, 1), { name: "MALFORMED" });
});

test("containing, overlapping and including agree with looking at every second", () => {
  const small: fc.Arbitrary<Term> = fc
    .tuple(fc.nat({ max: 12 }), fc.integer({ min: 1, max: 6 }))
    .map(([start, length]) => ({ start, end: start + length }));
  const seconds = Array.from({ length: 20 }, (_, second) => second);
  fc.assert(
    fc.property(small, small, (a, b) => {
      const inA = seconds.filter((second) => second >= a.start && second < a.end);
      const inB = seconds.filter((second) => second >= b.start && second < b.end);
      assert.deepEqual(
        seconds.filter((second) => includes(a, second)),
        inA,
      );
      assert.equal(
        contains(a, b),
        inB.every((second) => inA.includes(second)),
      );
      assert.equal(
        overlaps(a, b),
        inB.some((second) => inA.includes(second)),
      );
    }),
  );
});
