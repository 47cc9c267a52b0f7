import { Fault } from "#shared/model/errors.ts";
import type { Lease } from "#shared/model/lease.ts";
import type { Instant } from "#shared/model/time.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import type { ProgramCommand } from "../journal/slice-record.ts";
import { type Effort, type Outcome, onEach } from "../network/fan-out.ts";
import { type Launched, type LaunchFile, launch, launchOf } from "./program-launch.ts";
import { crossOut } from "./program-upkeep.ts";
import { belongingOn, withLaunched, withStopped } from "./slice-programs.ts";

/** What `slice launch` is told to run, files and all. */
export type LaunchOrder = {
  readonly name: string;
  readonly run: ProgramCommand;
  readonly files: readonly LaunchFile[];
  readonly at: Instant;
};

/** The slivers it is started in; `chosen`: they were named, and others of the slice are not to have it. */
export type LaunchMeant = { readonly leases: readonly Lease[]; readonly chosen: boolean };

/**
 * Starts a program in slivers. It is in the journal, with its files, before any sliver hears of it, so that slivers that
 * come later get it too, and whatever a kill left undone is done by the next launch, creation or repair. What every
 * sliver refused was never launched: then the journal says what it said before.
 */
export async function launchProgram(
  journal: SliceJournal,
  { name, run, files, at }: LaunchOrder,
  { leases, chosen }: LaunchMeant,
  effort: Effort,
): Promise<Outcome<Lease, Launched>[]> {
  const { programs: before } = journal.record;
  const kept = files.map(({ path, mode, sha256 }) => ({ path, mode, sha256 }));
  for (const { sha256, contents } of files) await journal.keepFile(sha256, contents);
  const meant = {
    all: [...journal.leases.keys()],
    ...(chosen && { chosen: leases.map(({ node }) => node) }),
  };
  await journal.update((record) => ({
    ...record,
    programs: withLaunched(record.programs ?? [], { name, run, files: kept, at }, meant),
  }));
  const privateKey = await journal.identity();
  const sent = launchOf(run, { name, others: "replace", files, modified: at });
  const outcomes = await onEach(
    "starting the program",
    leases,
    (lease) => launch(sent, lease.ssh, privateKey, effort),
    effort,
  );
  const arrived = outcomes.flatMap(({ ok, item }) => (ok ? [{ name, node: item.node }] : []));
  const refused = outcomes.every((outcome) => !outcome.ok && outcome.error instanceof Fault);
  if (refused) await journal.update((record) => ({ ...record, programs: before }));
  else await crossOut(journal, arrived);
  await journal.dropFiles();
  return outcomes;
}

/**
 * Has a program belong nowhere any more, or not on the chosen nodes: slivers that come later do without it, whenever
 * this process ends. Whether it belonged there.
 */
export async function forgetProgram(
  journal: SliceJournal,
  name: string,
  { leases, chosen }: LaunchMeant,
  now: Instant,
): Promise<boolean> {
  const { program } = readSliceDescription(await journal.description());
  const before = journal.record.programs ?? [];
  const nodes = leases.map(({ node }) => node);
  const meant = { all: [...journal.leases.keys()], ...(chosen && { chosen: nodes }) };
  const belonged = nodes.some((node) => belongingOn(before, node).some((one) => one.name === name));
  await journal.update((record) => ({
    ...record,
    programs: withStopped(record.programs ?? [], { name, at: now }, program, meant),
  }));
  await journal.dropFiles();
  return belonged;
}
