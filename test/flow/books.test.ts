import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";
import { settledState, type TestbedState } from "#test/support/testbed-state.ts";
import { sliceLife, wholeNodes, wireLife } from "./slice-life.ts";

const TIMES = 10;

describe("after slices have come and gone, the books are as they were:", () => {
  let lab: TestbedProcess;
  let beginning: TestbedState;
  before(async () => {
    lab = await testbedProcess();
    beginning = await settledState(lab);
    for (const { leases, tickets, free, resources } of Object.values(beginning)) {
      assert.deepEqual([leases, tickets, free], [[], [], resources]);
    }
  });
  after(() => lab[Symbol.asyncDispose]());

  test(`one slice created, renewed and deleted ${TIMES} times by the slice command`, async () => {
    for (let time = 0; time < TIMES; time++) await sliceLife(lab, "again");
    assert.deepEqual(await settledState(lab), beginning);
  });

  test(`${TIMES} slices of two principals at the same time, call by call`, async () => {
    const lives = Array.from({ length: TIMES }, (_, at) =>
      wireLife(lab, at % 2 === 0 ? "alice" : "bob", `many${at}`),
    );
    await Promise.all(lives);
    assert.deepEqual(await settledState(lab), beginning);
  });

  test("tickets that were given back unused, and tickets nobody could get", async () => {
    const { agent } = lab.clients.alice;
    for (let time = 0; time < TIMES; time++) {
      const order = { slice: `unused${time}`, leaselen: 3600, ips: "0.0.0.0" } as const;
      const tickets = await agent.newtickets({ ...order, ntickets: 3 });
      await agent.releasetickets({ tickets });
      const more = Object.keys(beginning).length + 1;
      await assert.rejects(agent.newtickets({ ...order, ntickets: more }), { name: "NO_CAPACITY" });
    }
    assert.deepEqual(await settledState(lab), beginning);
  });

  test("so that all of every node can be leased once more, which only nodes with empty books allow", async () => {
    await wholeNodes(lab, "whole");
    assert.deepEqual(await settledState(lab), beginning);
  });
});
