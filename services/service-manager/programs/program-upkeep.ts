import { isDeepStrictEqual } from "node:util";
import type { Lease } from "#shared/model/lease.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import type { CallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import { type Effort, onEach } from "../network/fan-out.ts";
import { MAIN_PROGRAM } from "./program-keeper.ts";
import { type Launch, launch, launchOf } from "./program-launch.ts";
import { programDigest } from "./program-script.ts";
import {
  belongingOn,
  handedOver,
  isOverruled,
  type Launching,
  owingNodes,
  withArrived,
  withoutMainStops,
} from "./slice-programs.ts";

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
  const start = starter(journal, description);
  const leases = nodes.map((node) => journal.leases.get(node)!.lease);
  const busy = leases.filter(({ node }) => start.hasWork(node));
  const outcomes = await onEach("starting the program", busy, (lease) => start.run(lease, effort), effort);
  return new Map(outcomes.flatMap((outcome) => (outcome.ok ? [] : [[outcome.item.node, outcome.error]])));
}

/** Starts what belongs on nodes of a slice, one after the other or many at once. */
export type Starter = {
  /** Whether anything belongs there. */
  hasWork(node: string): boolean;
  /** Has it running, whether or not it ran before. Throws as `launch`. */
  run(lease: Lease, effort: Pick<Effort, "signal" | "deadlineMs">): Promise<void>;
};

/** A starter makes every archive once, however many nodes it is for. */
export function starter(journal: SliceJournal, { program }: SliceDescription): Starter {
  const archives = new Archives(journal);
  const dueOn = (node: string) => {
    const { programs = [], files, createdAt } = journal.record;
    const described = program && { name: MAIN_PROGRAM, run: program, files, at: createdAt };
    // What came in by another way than this journal is what its owner wants now; what is owed was asked for here.
    const said = belongingOn(programs, node).map((one) => ({
      launching: one,
      others: one.owed ? ("replace" as const) : ("keep" as const),
    }));
    const own =
      described && !isOverruled(programs, node) ? [{ launching: described, others: "keep" as const }] : [];
    return [...own, ...said];
  };
  return {
    hasWork: (node) => dueOn(node).length > 0,
    async run({ node, ssh }, effort) {
      const due = dueOn(node);
      if (due.length === 0) return;
      const privateKey = await journal.identity();
      const arrived: { name: string; node: string }[] = [];
      try {
        for (const { launching, others } of due) {
          await launch(await archives.launchOf(launching, others), ssh, privateKey, effort);
          arrived.push({ name: launching.name, node });
        }
      } finally {
        await crossOut(journal, arrived);
      }
    },
  };
}

/** Programs as they are sent, each made once, however many nodes it is for. */
class Archives {
  readonly #journal: SliceJournal;
  readonly #made = new Map<string, Promise<Launch>>();

  constructor(journal: SliceJournal) {
    this.#journal = journal;
  }

  launchOf(launching: Launching, others: "keep" | "replace"): Promise<Launch> {
    const { name, run, files } = launching;
    const key = `${name} ${others} ${programDigest(run, files)}`;
    const made = this.#made.get(key) ?? this.#make(launching, others);
    this.#made.set(key, made);
    return made;
  }

  async #make({ name, run, files, at }: Launching, others: "keep" | "replace"): Promise<Launch> {
    const contents = await Promise.all(
      files.map(async (file) => ({ ...file, contents: await this.#journal.file(file.sha256) })),
    );
    return launchOf(run, { name, others, files: contents, modified: at });
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
