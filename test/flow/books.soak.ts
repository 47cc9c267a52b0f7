import assert from "node:assert/strict";
import { test } from "node:test";
import { testbedProcess } from "#test/support/testbed.ts";
import { settledState } from "#test/support/testbed-state.ts";
import { sliceLife, wholeNodes, wireLife } from "./slice-life.ts";

const TIMES = 200;
const AT_ONCE = 20;

test(`a slice created and deleted ${TIMES} times leaves the books as they were`, async () => {
  await using lab = await testbedProcess();
  const beginning = await settledState(lab);
  for (let time = 0; time < TIMES; time++) await sliceLife(lab, "again");
  await wholeNodes(lab, "whole");
  assert.deepEqual(await settledState(lab), beginning);
});

test(`${TIMES} slices of two principals, ${AT_ONCE} at a time, leave the books as they were`, async () => {
  await using lab = await testbedProcess();
  const beginning = await settledState(lab);
  for (let first = 0; first < TIMES; first += AT_ONCE) {
    const some = Array.from({ length: AT_ONCE }, (_, at) => first + at);
    await Promise.all(some.map((at) => wireLife(lab, at % 2 === 0 ? "alice" : "bob", `many${at}`)));
  }
  assert.deepEqual(await settledState(lab), beginning);
});
