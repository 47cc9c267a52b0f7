import assert from "node:assert/strict";
import { test } from "node:test";
import { simulatedBackend } from "#services/node-manager/backends/simulated.ts";
import { backendContract, run, somePlan } from "#test/contract/backend.ts";

backendContract("simulated", async () => ({
  open: async () => simulatedBackend(),
  async [Symbol.asyncDispose]() {},
}));

test("a simulated fleet of ten thousand slivers is made, listed and removed in no time", async () => {
  const backend = simulatedBackend();
  const plans = Array.from({ length: 10_000 }, () => somePlan());
  const before = process.cpuUsage();
  await Promise.all(plans.map((plan) => backend.ensure(plan)));
  assert.equal((await backend.list()).length, plans.length);
  await Promise.all(plans.map(({ id }) => backend.remove(id)));
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 6_000_000, `it took ${user + system} µs of a processor`);
});

test("a simulated command waits for the end of its input and says that nothing ran", async () => {
  const backend = simulatedBackend();
  const plan = somePlan({ slice: "oceanstore" });
  await backend.ensure(plan);
  const running = await backend.exec(plan.id, { argv: ["rm", "-rf", "/"] });
  let ended = false;
  void running.exit.then(() => {
    ended = true;
  });
  running.stdin.write("some input");
  await new Promise(setImmediate);
  assert.equal(ended, false);
  running.stdin.end();
  running.stdout.resume();
  running.stderr.resume();
  assert.deepEqual(await running.exit, { code: 0 });

  const { stdout } = await run(backend, plan.id, { argv: ["rm", "-rf", "/"] });
  assert.equal(stdout, `simulated sliver ${plan.id} of slice oceanstore: nothing ran: rm -rf /\n`);
});
