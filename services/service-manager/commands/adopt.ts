import type { Command } from "commander";
import { formatInstant } from "#shared/model/time.ts";
import type { Adopted } from "../adoption.ts";
import { type ExitCode, exitCodeOfMany } from "../terminal/exit-code.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import { type Listing, shortName } from "../terminal/output.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";
import { tellSsh } from "./ssh-notice.ts";

export function addAdopt(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("adopt"))
    .summary("take over a slice that somebody else, or another key of yours, began")
    .description(
      "Joins every lease of a slice that you are a member of, and keeps them here, to be used as if the slice were made here.\n" +
        "What cannot be reached is left out (exit code 3): run it again to finish. An administrator says who is a member.",
    )
    .argument("<slice>", "its name")
    .action(async (name: string, options: CommonOptions) => {
      await invoke(tools, options, (invocation) => adopt(name, invocation));
    });
}

async function adopt(name: string, invocation: Invocation): Promise<ExitCode> {
  const [{ SliceJournal }, { adoptSlice }, { checkGoingOn }, { checkSliceName }] = await Promise.all([
    import("../journal/slice-journal.ts"),
    import("../adoption.ts"),
    import("../journal/slice-owner.ts"),
    import("#shared/model/slice-name.ts"),
  ]);
  const { home, now, effort } = invocation;
  using journal = await SliceJournal.open(home, checkSliceName(name));
  using network = await invocation.network();
  if (journal.begun) checkGoingOn(journal.record, network.principal);
  const adopted = await adoptSlice({ journal, network, effort, now });
  if (journal.begun) await tellSsh(invocation, journal.state);
  await invocation.print(listing(adopted));
  const failures = adopted.flatMap((outcome) => (outcome.ok ? [] : [outcome.error]));
  const here = adopted.length - failures.length;
  invocation.say(
    `slice ${name} is yours on ${here} of ${adopted.length} further nodes; slice status ${name} shows it`,
  );
  return exitCodeOfMany(here, failures);
}

function listing(rows: readonly Adopted[]): Listing<Adopted> {
  const trouble = (row: Adopted) =>
    row.ok ? undefined : { name: failureName(row.error), sentence: failureSentence(row.error) };
  return {
    rows,
    columns: [
      { header: "NODE", value: ({ item }) => shortName(item.node) },
      { header: "IP", value: ({ item }) => item.ip },
      { header: "STATE", value: ({ ok }) => (ok ? "adopted" : "failed") },
      { header: "ENDS (UTC)", value: (row) => (row.ok ? formatInstant(row.value.term.end) : "") },
      {
        header: "TROUBLE",
        value: (row) => {
          const found = trouble(row);
          return found ? `${found.name}: ${found.sentence}` : "";
        },
      },
    ],
    name: ({ item }) => item.node,
    member: (row) => ({
      node: row.item.node,
      ip: row.item.ip,
      ...(row.ok
        ? { lease: row.value.serial, end_time: formatInstant(row.value.term.end) }
        : { trouble: trouble(row) }),
    }),
  };
}
