import { containerBackend } from "#services/node-manager/backends/container/engine.ts";

// A process that ensures one sliver, says so and stays: what a node manager is to its engine. It is there to be killed,
// at a step, or while it makes and removes the sliver `forever`.
const { options, plan, endAfter, forever } = JSON.parse(process.argv[2]!);

const backend = await containerBackend({
  ...options,
  images: ["busybox"],
  now: () => 1_900_000_000,
  onStep: (step) => {
    if (step === endAfter) process.kill(process.pid, "SIGKILL");
  },
});
await backend.ensure(plan);
console.log("ensured");
while (forever) {
  await backend.remove(plan.id);
  await backend.ensure(plan);
}
setInterval(() => undefined, 60_000);
