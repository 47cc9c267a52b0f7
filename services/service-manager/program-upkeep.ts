import { isDeepStrictEqual } from "node:util";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import type { CallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { type Effort, onEach } from "./fan-out.ts";
import { MAIN_PROGRAM } from "./program-keeper.ts";
import { type Launch, launch, launchOf } from "./program-launch.ts";
import { programDigest } from "./program-script.ts";
import type { SliceJournal } from "./slice-journal.ts";
import {
  belongingOn,
  handedOver,
  isOverruled,
  type Launching,
  owingNodes,
  withArrived,
  withoutMainStops,
} from "./slice-programs.ts";

type Due = { readonly name: string; readonly launch: Launch };

/**
 * Hands programs of some nodes only over, from those that are lost to fresh ones. Gives back the nodes that are owed a
 * program, with those that are so now.
 */
export async function handOver(
  journal: SliceJournal,
  fresh: readonly string[],
  lost: ReadonlyMap<string, string> = new Map(),
): Promise<string[]> {
  if (!journal.record.programs) return [];
  const leased = journal.record.nodes.map(({ node }) => node).filter((node) => journal.leases.has(node));
  const standing = { leased, lost: new Set(lost.keys()), fresh };
  const programs = handedOver(journal.record.programs, standing);
  if (!isDeepStrictEqual(programs, journal.record.programs))
    await journal.update((record) => ({ ...record, programs }));
  return owingNodes(programs).filter((node) => leased.includes(node) && !lost.has(node));
}

/**
 * Has every program running that belongs on these nodes: the description's, and what was launched since. Gives back
 * where something could not be started; a rerun finds what is there already.
 */
export async function launchOn(
  journal: SliceJournal,
  description: SliceDescription,
  nodes: readonly string[],
  effort: Effort,
): Promise<Map<string, CallFailure>> {
  const due = await dueOn(journal, description, nodes);
  if (due.size === 0) return new Map();
  const privateKey = await journal.identity();
  const arrived: { name: string; node: string }[] = [];
  const outcomes = await onEach(
    "starting the program",
    [...due],
    async ([node, launches]) => {
      const { ssh } = journal.leases.get(node)!.lease;
      for (const one of launches) {
        await launch(one.launch, ssh, privateKey, effort);
        arrived.push({ name: one.name, node });
      }
    },
    effort,
  );
  await crossOut(journal, arrived);
  return new Map(outcomes.flatMap((outcome) => (outcome.ok ? [] : [[outcome.item[0], outcome.error]])));
}

/** What is to be launched on each node that something belongs on. */
async function dueOn(
  journal: SliceJournal,
  { program }: SliceDescription,
  nodes: readonly string[],
): Promise<Map<string, Due[]>> {
  const { programs = [], files, createdAt } = journal.record;
  const described = program && { name: MAIN_PROGRAM, run: program, files, at: createdAt };
  const archives = new Archives(journal);
  const due = new Map<string, Due[]>();
  for (const node of nodes) {
    // What came in by another way than this journal is what its owner wants now; what is owed was asked for here.
    const said = belongingOn(programs, node).map((one) => archives.dueOf(one, one.owed ? "replace" : "keep"));
    const own = described && !isOverruled(programs, node) ? [archives.dueOf(described, "keep")] : [];
    const launches = await Promise.all([...own, ...said]);
    if (launches.length > 0) due.set(node, launches);
  }
  return due;
}

/** Programs as they are sent, each made once, however many nodes it is for. */
class Archives {
  readonly #journal: SliceJournal;
  readonly #made = new Map<string, Promise<Due>>();

  constructor(journal: SliceJournal) {
    this.#journal = journal;
  }

  dueOf(launching: Launching, others: "keep" | "replace"): Promise<Due> {
    const { name, run, files } = launching;
    const key = `${name} ${others} ${programDigest(run, files)}`;
    const due = this.#made.get(key) ?? this.#make(launching, others);
    this.#made.set(key, due);
    return due;
  }

  async #make({ name, run, files, at }: Launching, others: "keep" | "replace"): Promise<Due> {
    const contents = await Promise.all(
      files.map(async (file) => ({ ...file, contents: await this.#journal.file(file.sha256) })),
    );
    return { name, launch: launchOf(run, { name, others, files: contents, modified: at }) };
  }
}

/** Writes down that programs have come to nodes. */
export async function crossOut(
  journal: SliceJournal,
  arrived: readonly { readonly name: string; readonly node: string }[],
): Promise<void> {
  const { programs } = journal.record;
  if (!programs) return;
  const fewer = withArrived(programs, arrived);
  if (!isDeepStrictEqual(fewer, programs))
    await journal.update((record) => ({ ...record, programs: withArrived(record.programs ?? [], arrived) }));
}

/** Has what the description says belong everywhere again where its owner had only stopped it. */
export async function unstop(journal: SliceJournal): Promise<void> {
  const { programs } = journal.record;
  if (programs && withoutMainStops(programs).length < programs.length)
    await journal.update((record) => ({ ...record, programs: withoutMainStops(record.programs ?? []) }));
}
