import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { withoutStrace } from "#test/support/strace.ts";
import { type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";
import { settledState, type TestbedState } from "#test/support/testbed-state.ts";
import { crashAgent, crashNodes, type StoreWrite } from "./service-crash.ts";

const write = (when: number): StoreWrite => ({ call: "pwrite64", when });
const sync = (when: number): StoreWrite => ({ call: "fsync", when });

/**
 * Before which of its writes each of the three node managers is killed, making a lease and ending it. Making one is
 * three transactions: the promise, the sliver, what the agent has heard. The soak has every write.
 */
const ROUNDS = [
  [
    { making: write(1), ending: write(1) },
    { making: write(12), ending: write(7) },
    { making: write(23), ending: write(14) },
  ],
  [
    { making: sync(1), ending: sync(1) },
    { making: sync(2), ending: sync(2) },
    { making: sync(3), ending: sync(3) },
  ],
  [
    { making: write(25), ending: write(17) },
    { making: write(32), ending: write(20) },
    { making: write(41), ending: write(24) },
  ],
];

describe("what a killed service had begun is whole or gone when it is back:", { skip: withoutStrace }, () => {
  let lab: TestbedProcess;
  let beginning: TestbedState;
  before(async () => {
    lab = await testbedProcess();
    beginning = await settledState(lab);
  });
  after(() => lab[Symbol.asyncDispose]());

  for (const [round, writes] of ROUNDS.entries()) {
    const told = writes.map(({ making }) => `${making.call} ${making.when}`).join(", ");
    test(`node managers killed with -9 before ${told}`, async () => {
      assert.ok((await crashNodes(lab, `nodes${round}`, writes)) >= 3);
      assert.deepEqual(await settledState(lab), beginning);
    });
  }

  test("the agent killed with -9 before its writes while it issues tickets", async () => {
    const writes = [1, 3, 5].map((when) => ({ call: "writev", when }));
    let killed = 0;
    // The answer is written in one way or in the other.
    for (const moment of [...writes, { call: "write", when: 1 }]) {
      if (await crashAgent(lab, `agent${moment.call}${moment.when}`, moment)) killed += 1;
      assert.deepEqual(await settledState(lab), beginning);
    }
    assert.ok(killed >= 2, `it was killed ${killed} times`);
  });
});
