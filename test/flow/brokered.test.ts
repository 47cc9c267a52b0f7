import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually } from "#test/support/deadline.ts";
import { type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";

describe("a testbed with a broker", () => {
  let lab: TestbedProcess;
  before(async () => {
    lab = await testbedProcess({ nodes: 3, broker: true });
  });
  after(() => lab[Symbol.asyncDispose]());

  async function acquired(): Promise<number> {
    const { web } = lab.description.broker!;
    const metrics = await (await fetch(new URL("/metrics", web))).text();
    return Number(/^slicelab_broker_acquisitions\{state="done"\} (\d+)$/m.exec(metrics)![1]);
  }

  test("slices are made of tickets that the broker gathered, and are as good as any", async () => {
    const { code, err } = await lab.slice("alice", "create", "first", "--nodes", "2");
    assert.equal(code, 0, err);
    assert.equal(await acquired(), 1);
    const { out } = await lab.slice("alice", "list");
    assert.match(out, /^first /m);
    assert.equal((await lab.slice("alice", "delete", "first")).code, 0);
  });

  test("a broker that was killed is done without, and asked again once it is back", async () => {
    await lab.kill("broker");
    const without = await lab.slice("alice", "create", "second", "--nodes", "2");
    assert.equal(without.code, 0, without.err);
    assert.match(without.err, /broker/);
    assert.deepEqual(await lab.revive(), ["broker"]);
    const withIt = await lab.slice("alice", "create", "third", "--nodes", "2");
    assert.equal(withIt.code, 0, withIt.err);
    await eventually(async () => (await acquired()) === 2);
  });
});
