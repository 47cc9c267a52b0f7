import assert from "node:assert/strict";
import { test } from "node:test";
import { testbedProcess } from "#test/support/testbed.ts";
import { settledState } from "#test/support/testbed-state.ts";
import { afterMilliseconds, beforeWrite, brokenLife } from "./slice-crash.ts";

/** Renewals and deletions have fewer durable writes than creations; they go round. */
const RENEWAL_WRITES = 25;
const DELETION_WRITES = 9;
const MOMENTS = 100;
const LATEST_MILLISECONDS = 900;
const SEED = 20_031_127;

test("slice, killed before each of its durable writes and run again, has done all of it once", async () => {
  await using lab = await testbedProcess();
  const beginning = await settledState(lab);
  const killed = { create: 0, renew: 0, delete: 0 };
  for (let write = 1, more = true; more; write++) {
    const round = (writes: number) => beforeWrite(((write - 1) % writes) + 1);
    const kill = { create: beforeWrite(write), renew: round(RENEWAL_WRITES), delete: round(DELETION_WRITES) };
    const came = await brokenLife(lab, `write${write}`, kill);
    for (const command of ["create", "renew", "delete"] as const) if (came[command]) killed[command] += 1;
    assert.deepEqual(await settledState(lab), beginning);
    more = came.create;
  }
  console.log(`killed before durable writes: ${JSON.stringify(killed)}`);
  assert.ok(killed.create > 30);
});

test("slice, killed at odd moments and run again, has done all of it once", async () => {
  await using lab = await testbedProcess();
  const beginning = await settledState(lab);
  const moments = randomMoments(SEED);
  let killed = 0;
  for (let life = 1; life <= MOMENTS; life++) {
    const at = () => afterMilliseconds(moments.next().value);
    const came = await brokenLife(lab, `life${life}`, { create: at(), renew: at(), delete: at() });
    killed += Object.values(came).filter(Boolean).length;
    assert.deepEqual(await settledState(lab), beginning);
  }
  console.log(`killed at odd moments: ${killed} (seed ${SEED})`);
});

/** The same in every run with the same seed: a linear congruential generator (Numerical Recipes). */
function* randomMoments(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield 50 + (state % (LATEST_MILLISECONDS - 50));
  }
}
