import { containerBackend } from "#services/node-manager/backends/container/engine.ts";
import { run, somePlan } from "#test/contract/backend.ts";

// A node manager's engine in a world of its own: says what it can do, what it notes, and how writing more than the
// bound went.
const backend = await containerBackend({
  ...JSON.parse(process.argv[2]!),
  images: ["busybox"],
  now: () => 1_900_000_000,
});
const plan = somePlan({ resources: { cpuMillis: 100, memoryMib: 64, diskMib: 4, egressKbps: 0 } });
await backend.ensure(plan);
const { code: wrote } = await run(backend, plan.id, {
  argv: ["dd", "if=/dev/zero", "of=/big", "bs=1M", "count=6"],
});
await backend.remove(plan.id);
await backend.close?.();
const { abilities, notes } = backend.statement;
console.log(JSON.stringify({ abilities, notes, wrote }));
