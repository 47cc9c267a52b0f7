import assert from "node:assert/strict";
import { test } from "node:test";
import { testbedProcess } from "#test/support/testbed.ts";
import { settledState } from "#test/support/testbed-state.ts";
import { crashAgent, crashNodes, type StoreWrite } from "./service-crash.ts";

const NODES = 3;
/** More than a lease takes, in the making or at its end. */
const WRITES: readonly (readonly [StoreWrite["call"], number])[] = [
  ["pwrite64", 60],
  ["fsync", 6],
];
const AGENT_WRITES = [1, 2, 3, 4, 5, 6];

test("node managers killed before every write of a lease's making and end leave it whole or gone", async () => {
  await using lab = await testbedProcess({ nodes: NODES });
  const beginning = await settledState(lab);
  let killed = 0;
  for (const [call, most] of WRITES) {
    for (let first = 1; first <= most; first += NODES) {
      const writes = Array.from({ length: NODES }, (_, at) => ({ call, when: first + at }));
      const both = writes.map((write) => ({ making: write, ending: write }));
      killed += await crashNodes(lab, `${call}${first}`, both);
      assert.deepEqual(await settledState(lab), beginning);
    }
  }
  console.log(`node managers killed before writes: ${killed}`);
  assert.ok(killed > 40);
});

test("the agent killed before every write of issuing, many times, issues each request once", async () => {
  await using lab = await testbedProcess({ nodes: NODES });
  const beginning = await settledState(lab);
  let killed = 0;
  for (let round = 0; round < 10; round++) {
    for (const call of ["writev", "write"]) {
      for (const when of AGENT_WRITES) {
        if (await crashAgent(lab, `a${round}${call}${when}`, { call, when })) killed += 1;
        assert.deepEqual(await settledState(lab), beginning);
      }
    }
  }
  console.log(`agents killed before writes: ${killed}`);
  assert.ok(killed > 30);
});
