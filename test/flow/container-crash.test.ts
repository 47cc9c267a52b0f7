import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { withoutContainers } from "#test/support/container-probe.ts";
import { type Footprint, footprintOf, type Tracks, tracksOf } from "#test/support/leftovers.ts";
import { type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";
import { settledState, type TestbedState } from "#test/support/testbed-state.ts";
import { SIGNS, sliverCrash } from "./sliver-crash.ts";

/** The soak has all signs, often. */
const MOMENTS = ["its disk is mounted", "its processes run"] as const;

describe("a node manager killed with -9 while it makes a real sliver", {
  skip: await withoutContainers(),
}, () => {
  let lab: TestbedProcess;
  let tracks: Tracks;
  let machine: Footprint;
  let books: TestbedState;
  before(async () => {
    lab = await testbedProcess({ nodes: 2, engine: "container" });
    tracks = tracksOf(lab);
    machine = await footprintOf(tracks);
    books = await settledState(lab);
  });
  after(() => lab[Symbol.asyncDispose]());

  for (const sign of MOMENTS) {
    test(`as soon as ${sign}: the next one ends with machines as leases say, and nothing left over`, async (t) => {
      const { milliseconds } = await sliverCrash(lab, tracks, `at${sign.length}`, SIGNS[sign]);
      t.diagnostic(`in order ${milliseconds} ms after the restart was asked for`);
      assert.deepEqual(await footprintOf(tracks), machine);
      assert.deepEqual(await settledState(lab), books);
    });
  }
});
