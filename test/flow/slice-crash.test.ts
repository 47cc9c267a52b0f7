import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";
import { settledState, type TestbedState } from "#test/support/testbed-state.ts";
import { afterMilliseconds, beforeWrite, brokenLife } from "./slice-crash.ts";

/** One row is one slice: before which of its durable writes each command is killed. The soak has them all. */
const WRITES = [
  { create: 4, renew: 1, delete: 1 }, // no record yet
  { create: 14, renew: 5, delete: 2 }, // the ask is written, nobody was asked
  { create: 17, renew: 9, delete: 3 }, // asked, and the answer is nowhere
  { create: 21, renew: 14, delete: 5 }, // some tickets are kept
  { create: 27, renew: 19, delete: 7 }, // redeemed, and no lease is kept
  { create: 35, renew: 24, delete: 9 }, // some leases are kept
];

/** Moments in milliseconds after the start of a command. */
const MOMENTS = [300];

describe("slice, killed with -9 and run again, has done all of it once:", () => {
  let lab: TestbedProcess;
  let beginning: TestbedState;
  before(async () => {
    lab = await testbedProcess();
    beginning = await settledState(lab);
  });
  after(() => lab[Symbol.asyncDispose]());

  for (const { create, renew, delete: remove } of WRITES) {
    test(`create before its durable write ${create}, renew before ${renew}, delete before ${remove}`, async () => {
      const kill = { create: beforeWrite(create), renew: beforeWrite(renew), delete: beforeWrite(remove) };
      const killed = await brokenLife(lab, `write${create}`, kill);
      assert.deepEqual(killed, { create: true, renew: true, delete: true });
      assert.deepEqual(await settledState(lab), beginning);
    });
  }

  for (const moment of MOMENTS) {
    test(`create, renew and delete after ${moment} ms`, async () => {
      const at = afterMilliseconds(moment);
      await brokenLife(lab, `moment${moment}`, { create: at, renew: at, delete: at });
      assert.deepEqual(await settledState(lab), beginning);
    });
  }
});
