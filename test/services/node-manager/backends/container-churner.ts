import { containerBackend } from "#services/node-manager/backends/container/engine.ts";

// A process that makes and removes the slivers of its plans in random order, several at once, and says what was done,
// until it is killed. One start in three breaks off after some step.
const { options, plans, atOnce } = JSON.parse(process.argv[2]!);
const BREAKS = 1 / 30;

const backend = await containerBackend({
  ...options,
  images: ["busybox"],
  now: () => 1_900_000_000,
  onStep: (step) => {
    if (Math.random() < BREAKS) throw new Error(`broken off after ${step}`);
  },
});
console.log("open");

async function churn(own: { id: string }[]): Promise<never> {
  for (;;) {
    const plan = own[Math.floor(Math.random() * own.length)]!;
    const deed = Math.random() < 0.5 ? "ensure" : Math.random() < 0.8 ? "remove" : "stop";
    try {
      await (deed === "ensure" ? backend.ensure(plan as never) : backend[deed](plan.id));
      console.log(deed);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("broken off"))) {
        console.log(`failed ${deed}: ${String((error as Error).cause ?? error)}`);
        process.exit(1);
      }
      console.log("broken off");
    }
  }
}

await Promise.all(
  Array.from({ length: atOnce }, (_, at) =>
    churn(plans.filter((_: unknown, n: number) => n % atOnce === at)),
  ),
);
