import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { failureName, failureSentence } from "./failure.ts";
import type { Effort } from "./fan-out.ts";
import { type Happening, happeningsBetween, type Sight } from "./happenings.ts";
import { lookAtSlivers } from "./inspection.ts";
import type { Network } from "./network.ts";
import { nextEnd, renewSlice } from "./renewal.ts";
import { repairSlice } from "./repair.ts";
import { SliceJournal } from "./slice-journal.ts";
import { keptOrder } from "./slice-order.ts";
import { checkOwner } from "./slice-owner.ts";
import { existingSlice, readSlice, type SliceState } from "./slice-state.ts";

/** Leases are renewed when half their length is left, and said to end soon when a quarter is. */
const RENEWED_BELOW = 1 / 2;
const SOON_BELOW = 1 / 4;

export type WatchTerms = {
  readonly home: string;
  readonly name: string;
  /** Seconds from one look to the next. */
  readonly every: number;
  /** Whether nodes that were lost in two looks are replaced. */
  readonly repair: boolean;
  readonly clock: Clock;
  readonly effort: Effort;
  /** Opened anew for every look, so that a new certificate is taken up. */
  readonly openNetwork: () => Promise<Network>;
  readonly tell: (happening: Happening) => Promise<void>;
  /** A sentence about the slice as a whole. */
  readonly warn: (sentence: string) => void;
  /** What ssh is told is to be written anew. */
  readonly changed: (state: SliceState) => Promise<void>;
};

/**
 * Looks at a slice again and again, tells what changes, and renews its leases before they end. Resolves when the slice
 * is no more; the effort's signal ends it otherwise.
 */
export async function watchSlice(terms: WatchTerms): Promise<void> {
  const { home, name, clock, effort } = terms;
  const watch = new Watch(terms);
  await existingSlice(home, name);
  for (;;) {
    const state = await readSlice(home, name);
    if (!state) return;
    if (state.record.phase !== "deleting") {
      using network = await terms.openNetwork();
      checkOwner(state.record, network.principal);
      const at = clock.now();
      const { views } = await lookAtSlivers(state, network, effort, at);
      await watch.see({ at, views }, network);
    }
    await pause(terms.every * 1000, undefined, { signal: effort.signal });
  }
}

class Watch {
  readonly #terms: WatchTerms;
  #before: Sight | undefined;
  #leaseSeconds: number | undefined;
  /** What was said last, so that it is said once. */
  #said = "";

  constructor(terms: WatchTerms) {
    this.#terms = terms;
  }

  async see(sight: Sight, network: Network): Promise<void> {
    const before = this.#before;
    this.#leaseSeconds ??= await this.#inJournal(
      async (journal) => readSliceDescription(await journal.description()).leaseSeconds,
    );
    const length = this.#leaseSeconds ?? 0; // another command had the slice: known at the next look
    for (const happening of happeningsBetween(before, sight, length * SOON_BELOW))
      await this.#terms.tell(happening);
    this.#before = sight;
    const troubles = [
      ...(this.#terms.repair && isLostTwice(before, sight) ? await this.#repair(network) : []),
      ...(await this.#renew(sight, length, network)),
    ];
    const said = troubles.join("; ");
    if (said !== this.#said && said !== "") this.#terms.warn(said);
    this.#said = said;
  }

  /** Renews all leases to one end, when one that can be renewed is near its own. Nodes that are lost set no pace. */
  async #renew({ at, views }: Sight, length: number, network: Network): Promise<string[]> {
    const leases = views.flatMap(({ lease, state }) => (lease && state !== "unknown" ? [lease] : []));
    const near = leases.some(({ term }) => term.end - at < length * RENEWED_BELOW);
    if (!near) return [];
    const until = Math.max(nextEnd(leases, length), at + length);
    const { effort } = this.#terms;
    const renewed = await this.#inJournal(async (journal) => {
      const description = readSliceDescription(await journal.description());
      return await renewSlice(journal, description, until, network, effort, at);
    });
    return (renewed ?? []).flatMap(({ lease, failure }) =>
      failure ? [`${lease.ip} was not renewed: ${failureName(failure)}: ${failureSentence(failure)}`] : [],
    );
  }

  async #repair(network: Network): Promise<string[]> {
    const { effort, clock } = this.#terms;
    const repair = await this.#inJournal(async (journal) => {
      const order = await keptOrder(journal);
      const came = await repairSlice(journal, order, network, effort, clock.now());
      await this.#terms.changed(journal.state);
      return came;
    });
    return (repair?.shortfall ?? []).map((failure) => `not repaired: ${failureSentence(failure)}`);
  }

  /** Undefined while another command works on the slice, or when it is being deleted. */
  async #inJournal<T>(work: (journal: SliceJournal) => Promise<T>): Promise<T | undefined> {
    try {
      using journal = await SliceJournal.openExisting(this.#terms.home, this.#terms.name);
      return journal.record.phase === "deleting" ? undefined : await work(journal);
    } catch (error) {
      this.#terms.effort.signal.throwIfAborted();
      const passing = isCallFailure(error) && (!(error instanceof Fault) || error.name === "BUSY");
      if (!passing && !(error instanceof Fault && error.name === "NO_SLICE")) throw error;
      return undefined;
    }
  }
}

/** Whether some node was lost at this look and at the one before: one answer that got lost replaces nobody. */
function isLostTwice(before: Sight | undefined, { views }: Sight): boolean {
  const isLost = (state: string) => state === "unknown" || state === "missing";
  const lost = new Set(before?.views.filter(({ state }) => isLost(state)).map(({ address }) => address.node));
  return views.some(({ address, state }) => isLost(state) && lost.has(address.node));
}
