import type { Command } from "commander";
import { Option } from "commander";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { Renewed } from "../renewal.ts";
import { type ExitCode, exitCodeOfMany, UsageError } from "../terminal/exit-code.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import { type Listing, shortName } from "../terminal/output.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";
import { tellSsh } from "./ssh-notice.ts";

type RenewOptions = { readonly until?: string; readonly for?: string };

export function addRenew(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("renew"))
    .summary("make the leases of a slice last longer")
    .description(
      "Renews every lease of a slice, by the length its description says unless told otherwise, and shows what each node granted.\n" +
        "Where a lease cannot be renewed that far, a further ticket is got for it first.",
    )
    .argument("<slice>", "its name")
    .addOption(
      new Option("--until <time>", 'when leases shall end, such as "2030-01-31 12:00:00" (UTC)').conflicts(
        "for",
      ),
    )
    .option("--for <duration>", "how long leases shall last from now on, such as 7d")
    .action(async (name: string, options: RenewOptions & CommonOptions) => {
      await invoke(tools, options, (invocation) => renew(name, options, invocation));
    });
}

async function renew(name: string, options: RenewOptions, invocation: Invocation): Promise<ExitCode> {
  const [
    { SliceJournal },
    { nextEnd, renewSlice },
    { checkGoingOn },
    { readSliceDescription },
    { readDuration, readMoment },
  ] = await Promise.all([
    import("../journal/slice-journal.ts"),
    import("../renewal.ts"),
    import("../journal/slice-owner.ts"),
    import("#shared/wire/slice-description.ts"),
    import("../terminal/quantity.ts"),
  ]);
  const { home, now, effort } = invocation;
  const wished =
    options.until !== undefined
      ? readMoment(options.until)
      : options.for !== undefined
        ? now + readDuration(options.for)
        : undefined;
  if (wished !== undefined && wished <= now) throw new UsageError("that time has passed; choose a later one");
  using journal = await SliceJournal.openExisting(home, name);
  using network = await invocation.network();
  checkGoingOn(journal.record, network.principal);
  const description = readSliceDescription(await journal.description());
  const leases = [...journal.leases.values()].map(({ lease }) => lease);
  const until = wished ?? nextEnd(leases, description.leaseSeconds);
  const renewed = await renewSlice(journal, description, until, network, effort, now);
  await tellSsh(invocation, journal.state);
  await invocation.print(listing(renewed));
  const failures = renewed.flatMap(({ failure }) => (failure ? [failure] : []));
  invocation.say(`slice ${name} ${outcome(renewed.length, failures.length, until)}`);
  return exitCodeOfMany(renewed.length - failures.length, failures);
}

function outcome(asked: number, failed: number, until: Instant): string {
  if (asked === 0) return "has no leases to renew";
  const end = `until ${formatInstant(until)} UTC`;
  if (failed === asked) return `is not renewed ${end} on any of its ${asked} nodes`;
  return `is renewed ${end}${failed > 0 ? `, but for ${failed} of ${asked} nodes` : ""}`;
}

function listing(rows: readonly Renewed[]): Listing<Renewed> {
  const trouble = ({ failure }: Renewed) =>
    failure ? `${failureName(failure)}: ${failureSentence(failure)}` : "";
  return {
    rows,
    columns: [
      { header: "NODE", value: ({ lease }) => shortName(lease.node) },
      { header: "IP", value: ({ lease }) => lease.ip },
      { header: "ENDED (UTC)", value: ({ before }) => formatInstant(before) },
      { header: "ENDS (UTC)", value: ({ lease }) => formatInstant(lease.term.end) },
      { header: "RENEWABLE UNTIL", value: ({ lease }) => formatInstant(lease.renewableUntil), wide: true },
      { header: "TROUBLE", value: trouble },
    ],
    name: ({ lease }) => lease.node,
    member: ({ lease, before, failure }) => ({
      node: lease.node,
      ip: lease.ip,
      before_time: formatInstant(before),
      end_time: formatInstant(lease.term.end),
      renewable_until_time: formatInstant(lease.renewableUntil),
      ...(failure && { trouble: { name: failureName(failure), sentence: failureSentence(failure) } }),
    }),
  };
}
