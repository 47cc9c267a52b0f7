import type { Command } from "commander";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { EXIT, type ExitCode, exitCodeOfMany } from "../terminal/exit-code.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import { shortName } from "../terminal/output.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";
import { tellSsh } from "./ssh-notice.ts";

export function addDelete(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("delete"))
    .summary("delete a slice: its slivers, its tickets, its keys")
    .description(
      "Ends every lease of a slice, gives its unused tickets back, and forgets it.\n" +
        "What cannot be reached is kept (exit code 3): run it again to finish.",
    )
    .argument("<slice>", "its name")
    .action(async (name: string, options: CommonOptions) => {
      await invoke(tools, options, (invocation) => remove(name, invocation));
    });
}

async function remove(name: string, invocation: Invocation): Promise<ExitCode> {
  const [{ SliceJournal }, { deleteSlice }, { checkOwner }] = await Promise.all([
    import("../journal/slice-journal.ts"),
    import("../deletion.ts"),
    import("../journal/slice-owner.ts"),
  ]);
  using journal = await SliceJournal.openExisting(invocation.home, name);
  using network = await invocation.network();
  checkOwner(journal.record, network.principal);
  const { nodes } = journal.record;
  const { ended, failures } = await deleteSlice(journal, network, invocation.effort, invocation.now);
  for (const [where, failure] of failures) {
    const place = nodes.find(({ node }) => node === where)?.ip ?? shortName(where);
    invocation.warn(`${place}: ${failureName(failure)}: ${failureSentence(failure)}`);
  }
  if (failures.size === 0) {
    if (invocation.format === "name") await invocation.write(`${name}\n`);
    invocation.say(`slice ${name} is deleted: ${ended} ${ended === 1 ? "lease" : "leases"} ended`);
    return EXIT.ok;
  }
  await tellSsh(invocation, journal.state);
  invocation.say(`slice ${name} is not deleted everywhere; run the same command again to finish`);
  const unheard = [...failures.values()].some((failure) => failure instanceof TransportError);
  return unheard ? EXIT.partial : exitCodeOfMany(ended, [...failures.values()]);
}
