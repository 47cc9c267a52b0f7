import type { Command } from "commander";
import type { Mending } from "../repair.ts";
import { EXIT, type ExitCode } from "../terminal/exit-code.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import { type Listing, shortName } from "../terminal/output.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";
import { tellLeftBehind } from "./left-behind.ts";
import { tellSsh } from "./ssh-notice.ts";

export function addRepair(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("repair"))
    .summary("replace the nodes of a slice that are dead or have lost their sliver")
    .description(
      "Asks every node of a slice how its sliver is. Others, with tickets of their own, take the place of nodes that don't\n" +
        "answer within the deadline or have no sliver any more, and the slice's programs are started there.\n" +
        "A lease is given up only when its replacement is there, and is ended when its node answers again.\n" +
        "Exit code 3 when some could not be replaced: run it again.",
    )
    .argument("<slice>", "its name")
    .action(async (name: string, options: CommonOptions) => {
      await invoke(tools, options, (invocation) => repair(name, invocation));
    });
}

async function repair(name: string, invocation: Invocation): Promise<ExitCode> {
  const [{ SliceJournal }, { keptOrder }, { repairSlice }] = await Promise.all([
    import("../journal/slice-journal.ts"),
    import("../planning/slice-order.ts"),
    import("../repair.ts"),
  ]);
  using journal = await SliceJournal.openExisting(invocation.home, name);
  using network = await invocation.network();
  const order = await keptOrder(journal);
  const { effort, now } = invocation;
  const { mendings, shortfall, complete } = await repairSlice(journal, order, network, effort, now);
  await tellSsh(invocation, journal.state);
  await invocation.print(listing(mendings));
  for (const failure of shortfall) invocation.warn(failure.message);
  const replaced = mendings.filter(({ result }) => result === "new").length;
  const still = mendings.every(({ result }) => result === "well" || result === "abandoned");
  const slivers = `slice ${name} has ${journal.leases.size} of ${order.description.nodes.count} slivers`;
  if (complete && replaced === 0 && still) invocation.say(`${slivers}; there is nothing to repair`);
  else invocation.say(`${slivers}, ${replaced} of them new`);
  tellLeftBehind(invocation, journal.state);
  if (!complete) invocation.say("not everything could be repaired; run the same command again later");
  return complete ? EXIT.ok : EXIT.partial;
}

function listing(rows: readonly Mending[]): Listing<Mending> {
  return {
    rows,
    columns: [
      { header: "NODE", value: ({ address }) => shortName(address.node) },
      { header: "IP", value: ({ address }) => address.ip },
      { header: "SITE", value: ({ address }) => address.site },
      { header: "RESULT", value: ({ result }) => result },
      {
        header: "TROUBLE",
        value: ({ failure }) => (failure ? `${failureName(failure)}: ${failureSentence(failure)}` : ""),
      },
    ],
    name: ({ address }) => address.node,
    member: ({ address, result, failure }) => ({
      node: address.node,
      ip: address.ip,
      site: address.site,
      result,
      ...(failure && { trouble: { name: failureName(failure), sentence: failureSentence(failure) } }),
    }),
  };
}
