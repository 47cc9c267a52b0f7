import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "../invocation.ts";
import { type Listing, shortName } from "../output.ts";
import type { PlannedNode } from "../planning.ts";
import type { WishOptions } from "../wish.ts";
import { wishAmong, withWishOptions } from "./wish-options.ts";

export function addPlan(parent: Command, tools: Tools): void {
  withWishOptions(withCommonOptions(parent.command("plan")))
    .summary("show on which nodes a slice would be, and why not on others")
    .description(
      "Says which nodes `slice create` with the same arguments would choose now, and why each other node would not do.\n" +
        "Nothing is asked for and nothing changes. Exit code 6 when too few nodes fit.",
    )
    .action(async (target: string, options: WishOptions & CommonOptions) => {
      await invoke(tools, options, (invocation) => showPlan(target, wishAmong(options), invocation));
    });
}

type Verdict = {
  readonly node: string;
  readonly ip: string;
  readonly site: string;
  readonly verdict: "chosen" | "standby" | "spare" | "refused";
  readonly reason?: string;
};

async function showPlan(target: string, options: WishOptions, invocation: Invocation): Promise<ExitCode> {
  const [{ readWish }, { planSlice }] = await Promise.all([import("../wish.ts"), import("../planning.ts")]);
  const wish = await readWish(target, options);
  using network = await invocation.network();
  const plan = await planSlice(wish, network, invocation.now);
  const { chosen, standby, spare, refused, unnamed, description, shortage } = plan;
  const said = (verdict: Verdict["verdict"]) => (planned: PlannedNode) => {
    return { node: planned.node, ip: planned.ip, site: planned.site, verdict };
  };
  await invocation.print(
    listing([
      ...chosen.map(said("chosen")),
      ...standby.map(said("standby")),
      ...spare.map(said("spare")),
      ...refused.map((refusal) => ({ ...refusal, verdict: "refused" as const })),
    ]),
  );
  for (const failure of plan.failures) invocation.warn(failure.message);
  if (unnamed.spare > 0) invocation.say(`${unnamed.spare} more would do as well`);
  if (unnamed.refused > 0) invocation.say(`${unnamed.refused} more would not do; they are not listed`);
  const { count } = description.nodes;
  invocation.say(`${chosen.length} of ${count} nodes for slice ${description.name}`);
  if (!shortage) return EXIT.ok;
  invocation.warn(`${shortage.name}: ${shortage.sentence}`);
  return EXIT.noCapacity;
}

function listing(rows: readonly Verdict[]): Listing<Verdict> {
  return {
    rows,
    columns: [
      { header: "NODE", value: ({ node }) => (node.includes(".") ? "" : shortName(node)) },
      { header: "IP", value: ({ node, ip }) => ip || (node.includes(".") ? node : "") },
      { header: "SITE", value: ({ site }) => site },
      { header: "VERDICT", value: ({ verdict }) => verdict },
      { header: "WHY", value: ({ reason }) => reason ?? "" },
    ],
    name: ({ node }) => node,
    member: (row) => row,
  };
}
