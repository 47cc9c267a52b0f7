import type { Command } from "commander";
import { onEach } from "../network/fan-out.ts";
import { exitCodeOfMany } from "../terminal/exit-code.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";

export function addPs(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("ps"))
    .summary("show the programs that are kept running in slivers")
    .description(
      "Asks every sliver for the programs it keeps: their state, how often they were started again, what they last\n" +
        "ended with, and since when that is so. -o wide shows their commands. Exit code 3 when some could not say.",
    )
    .argument("<slice>", "its name")
    .argument("[nodes...]", "only there: addresses, or beginnings of identities")
    .action(async (slice: string, nodes: string[], options: CommonOptions) => {
      await invoke(tools, options, (invocation) => show(slice, nodes, invocation));
    });
}

async function show(slice: string, nodes: readonly string[], invocation: Invocation): Promise<number> {
  const [{ chooseSlivers }, { askKeeper }, { programListing, programViews }] = await Promise.all([
    import("../programs/program-choice.ts"),
    import("../programs/program-keeper.ts"),
    import("../programs/program-view.ts"),
  ]);
  const { effort } = invocation;
  const { leases, privateKey } = await chooseSlivers(invocation.home, slice, nodes);
  const outcomes = await onEach(
    "asking slivers",
    leases,
    (lease) => askKeeper({ access: lease.ssh, privateKey, effort }, ["ps"]),
    effort,
  );
  const views = outcomes.flatMap((outcome) => (outcome.ok ? programViews(outcome.item, outcome.value) : []));
  const pretended = outcomes.filter((outcome) => outcome.ok && outcome.value.lines.length === 0);
  const failures = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome]));
  await invocation.print(programListing(views));
  for (const { item, error } of failures)
    invocation.warn(`${item.ip}: ${failureName(error)}: ${failureSentence(error)}`);
  if (pretended.length > 0)
    invocation.say(`nothing runs in ${pretended.length} slivers, which are only simulated`);
  else if (views.length === 0 && failures.length === 0)
    invocation.say(`slice ${slice} has no programs; slice launch ${slice} -- COMMAND starts one`);
  return exitCodeOfMany(
    outcomes.length - failures.length,
    failures.map(({ error }) => error),
  );
}
