import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutContainers } from "#test/support/container-probe.ts";
import { footprintOf, tracksOf } from "#test/support/leftovers.ts";
import { testbedProcess } from "#test/support/testbed.ts";
import { settledState } from "#test/support/testbed-state.ts";
import { SIGNS, type Sign, sliverCrash } from "./sliver-crash.ts";

const TIMES = 5;
const LATER = 40;
const STEP_MILLISECONDS = 15;

const skip = await withoutContainers();

test("node managers killed at every sign of a sliver's making, and at moments after the first", {
  skip,
}, async () => {
  await using lab = await testbedProcess({ nodes: 2, engine: "container" });
  const tracks = tracksOf(lab);
  const [machine, books] = [await footprintOf(tracks), await settledState(lab)];
  const first = SIGNS["its directory is there"];
  const signs: Sign[] = [
    ...Array.from({ length: TIMES }, () => Object.values(SIGNS)).flat(),
    ...Array.from({ length: LATER }, (_, at) => later(first, at * STEP_MILLISECONDS)),
  ];
  const times: number[] = [];
  for (const [life, sign] of signs.entries()) {
    times.push((await sliverCrash(lab, tracks, `life${life}`, sign)).milliseconds);
    assert.deepEqual(await footprintOf(tracks), machine);
    assert.deepEqual(await settledState(lab), books);
  }
  times.sort((a, b) => a - b);
  const [median, worst] = [times[Math.floor(times.length / 2)], times.at(-1)];
  console.log(`killed ${times.length} times; in order after ${median} ms (median), ${worst} ms (worst)`);
});

/** A sign that is seen some time after another. */
function later(sign: Sign, milliseconds: number): Sign {
  let since: number | undefined;
  return (slivers) => {
    if (since === undefined && sign(slivers)) since = performance.now();
    return since !== undefined && performance.now() - since >= milliseconds;
  };
}
