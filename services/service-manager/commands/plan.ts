import type { Command } from "commander";
import type { WishOptions } from "../planning/wish.ts";
import { EXIT, type ExitCode } from "../terminal/exit-code.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";
import { wishAmong, withWishOptions } from "./wish-options.ts";

export function addPlan(parent: Command, tools: Tools): void {
  withWishOptions(withCommonOptions(parent.command("plan")))
    .summary("show on which nodes a slice would be, and why not on others")
    .description(
      "Says which nodes `slice create` with the same arguments would choose now, and why others would not do: each where\n" +
        "they are few, else how many for which reason (-o wide lists them all). Nothing is asked for and nothing changes.\n" +
        "Exit code 6 when too few nodes fit.",
    )
    .action(async (target: string, options: WishOptions & CommonOptions) => {
      await invoke(tools, options, (invocation) => showPlan(target, wishAmong(options), invocation));
    });
}

async function showPlan(target: string, options: WishOptions, invocation: Invocation): Promise<ExitCode> {
  const [{ readWish }, { planSlice }, { planListing, planNotes }] = await Promise.all([
    import("../planning/wish.ts"),
    import("../planning/planning.ts"),
    import("../planning/plan-view.ts"),
  ]);
  const wish = await readWish(target, options);
  using network = await invocation.network();
  const plan = await planSlice(wish, network, invocation.now);
  const { chosen, description, shortage } = plan;
  await invocation.print(planListing(plan, invocation.format));
  for (const failure of plan.failures) invocation.warn(failure.message);
  for (const note of planNotes(plan, invocation.format)) invocation.say(note);
  const { count } = description.nodes;
  invocation.say(`${chosen.length} of ${count} nodes for slice ${description.name}`);
  if (!shortage) return EXIT.ok;
  invocation.warn(`${shortage.name}: ${shortage.sentence}`);
  return EXIT.noCapacity;
}
