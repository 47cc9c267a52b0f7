import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "#shared/model/errors.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import { watchClock } from "#shared/runtime/clock-watch.ts";
import { fixedClock } from "#test/support/clock.ts";

const START = Date.parse("2030-01-01T00:00:00Z") / 1000;
const UNSURE = { name: "CLOCK_UNSURE", code: 602 };

test("the system clock tells the same time in seconds and milliseconds, and its uptime only rises", () => {
  const clock = systemClock();
  const before = clock.uptime();
  assert.ok(Math.abs(clock.now() * 1000 - clock.milliseconds()) <= 1000);
  assert.ok(clock.uptime() >= before && before > 0);
});

test("time that merely passes leaves the clock sure", () => {
  const clock = fixedClock(START);
  using watch = watchClock(clock);
  clock.advance(86_400);
  assert.equal(watch.sure(), true);
  watch.refuseUnlessSure();
});

for (const step of [61, -61, 86_400]) {
  test(`a step of ${step} seconds makes the clock unsure for ten minutes`, () => {
    const clock = fixedClock(START);
    const steps: number[] = [];
    using watch = watchClock(clock, (moved) => steps.push(moved));
    clock.set(clock.now() + step);
    assert.throws(() => watch.refuseUnlessSure(), UNSURE);
    clock.advance(599);
    assert.equal(watch.sure(), false);
    clock.advance(1);
    assert.equal(watch.sure(), true);
    assert.deepEqual(steps, [step * 1000]);
  });
}

test("a correction of a minute is not a step", () => {
  const clock = fixedClock(START);
  using watch = watchClock(clock);
  clock.set(START + 60);
  assert.equal(watch.sure(), true);
});

test("small steps in quick succession count together", () => {
  const clock = fixedClock(START);
  using watch = watchClock(clock);
  for (const _ of [1, 2, 3]) {
    clock.set(clock.now() - 25);
    clock.advance(1);
    watch.sure();
  }
  assert.equal(watch.sure(), false);
});

test("a clock slewed slowly over a day stays sure", () => {
  const clock = fixedClock(START);
  using watch = watchClock(clock);
  for (let hour = 0; hour < 240; hour++) {
    clock.advance(3600);
    clock.set(clock.now() + 1);
    assert.equal(watch.sure(), true);
  }
});

test("a clock below the greatest recorded time is unsure until it has caught up", () => {
  const clock = fixedClock(START);
  using watch = watchClock(clock);
  assert.throws(
    () => watch.refuseUnlessSure(START + 1),
    (error) => error instanceof Fault && error.retryable,
  );
  clock.advance(1);
  watch.refuseUnlessSure(START + 1);
});
