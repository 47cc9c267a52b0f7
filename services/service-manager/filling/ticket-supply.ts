import { isRefusal } from "#services/broker/acquisition/ask.ts";
import { Fault } from "#shared/model/errors.ts";
import { type CallFailure, isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import type { NodeAddress } from "../journal/slice-record.ts";
import type { HeldTicket } from "../journal/slice-state.ts";
import type { Order } from "../planning/slice-order.ts";
import { failureSentence } from "../terminal/failure.ts";
import { rejectTickets } from "../tickets/ticket-disposal.ts";
import type { TicketSource } from "../tickets/ticket-source.ts";
import { isIncluded, lackingOf } from "./included.ts";
import { fateAfter } from "./redemption.ts";

/** Nodes of the slice that others are to stand in for, each with the reason. */
export type Lost = ReadonlyMap<string, string>;

export type SupplyParts = {
  readonly journal: SliceJournal;
  readonly order: Order;
  readonly source: TicketSource;
  readonly lost: Lost | undefined;
  /** The last thing that went wrong on each node that has not done what it should. */
  readonly troubles: ReadonlyMap<string, CallFailure>;
  /** Gives back every ticket that is not wanted; whether any is settled now. */
  readonly dispose: () => Promise<boolean>;
};

/** So many nodes are turned to for each that is wanted, and some more, before a run gives up. */
const MOST_TIMES = 3;
const MOST_MORE = 10;

/** Tickets for one filling of a slice: from its source, for nodes that have not failed it. */
export class TicketSupply {
  readonly #parts: SupplyParts;
  /** Why some of what was asked for earlier is unknown. While it is, nothing more is asked for. */
  #unknown: readonly CallFailure[] = [];
  /** Agents or brokers that did not do their part, by what they did. */
  readonly #failures = new Map<string, CallFailure>();
  /** Why there were no more tickets. */
  #refusal: CallFailure | undefined;
  #handed = 0;

  constructor(parts: SupplyParts) {
    this.#parts = parts;
  }

  /** What kept agents from granting more: without what nobody misses, when the slice is whole. */
  shortfall(whole: boolean): CallFailure[] {
    const failures = [...this.#unknown, ...this.#failures.values()];
    return this.#refusal && !whole ? [...failures, this.#refusal] : failures;
  }

  /** Has what an earlier run asked for in the journal. */
  async settle(): Promise<void> {
    this.#unknown = await this.#parts.source.settle();
  }

  /** Tickets that can be redeemed, in the order in which their nodes are preferred. */
  inOrder(): HeldTicket[] {
    const { journal } = this.#parts;
    const rank = new Map(journal.record.nodes.map(({ node }, index) => [node, index]));
    return journal.redeemable.sort((a, b) => (rank.get(a.ticket.node) ?? 0) - (rank.get(b.ticket.node) ?? 0));
  }

  /**
   * Further tickets for so many nodes, and for those that must be there and are missing: standbys too, the first time. None
   * when there will be no more. A slice that cannot begin with at least as many as its description needs does not begin:
   * then what was granted is given back.
   */
  async more(wanted: number): Promise<HeldTicket[]> {
    const { journal, order } = this.#parts;
    const had = new Set(journal.tickets.keys());
    const left = order.description.nodes.count * MOST_TIMES + MOST_MORE - this.#handed;
    if (this.#unknown.length > 0 || left <= 0) return [];
    if (had.size === 0 && journal.leases.size === 0 && !this.#parts.lost && this.#handed === 0)
      await this.#begin(wanted);
    else await this.#goOn(Math.min(wanted, left));
    const fresh = this.inOrder().filter(({ id }) => !had.has(id));
    this.#handed += fresh.length;
    await this.#rejectReplaced(fresh);
    return fresh;
  }

  async #begin(wanted: number): Promise<void> {
    const { atleast, standby } = this.#parts.order.description.nodes;
    const granted = await this.#acquire(wanted, atleast, standby);
    if (granted >= atleast) return;
    const { journal, dispose } = this.#parts;
    await rejectTickets(journal, [...journal.tickets.keys()]);
    await dispose();
    throw (
      this.shortfall(false).find(isRefusal) ??
      new Fault(
        "NO_CAPACITY",
        `agents granted ${granted} of the ${atleast} nodes needed, others having got the rest meanwhile; ask again, or for fewer nodes`,
      )
    );
  }

  /** What is refused while tickets wait to be given back may be granted when they are. */
  async #goOn(wanted: number): Promise<void> {
    const refusal = await this.#refusalOf(wanted);
    this.#refusal = refusal;
    if (!isRefusal(refusal) || this.#parts.journal.unwanted.length === 0) return;
    if (await this.#parts.dispose()) this.#refusal = await this.#refusalOf(wanted);
  }

  async #refusalOf(wanted: number): Promise<CallFailure | undefined> {
    try {
      await this.#acquire(wanted, 1, 0);
      return undefined;
    } catch (error) {
      if (!isCallFailure(error)) throw error;
      return error;
    }
  }

  async #acquire(others: number, atleast: number, standby: number): Promise<number> {
    const { order, journal } = this.#parts;
    const held = this.#held();
    const lacking = lackingOf(order.description, journal, new Set(held.map(({ node }) => node)));
    const wanted = others + lacking.length;
    const acquisition = { wanted, atleast, standby, ruledOut: this.#ruledOut(), held };
    const { granted, failures } = await this.#parts.source.acquire(acquisition);
    for (const failure of failures) this.#failures.set(failure.message, failure);
    return granted;
  }

  #ruledOut(): Map<string, string> {
    const { journal, lost, troubles } = this.#parts;
    const reasons = new Map<string, string>(lost);
    for (const { node } of journal.record.abandoned ?? [])
      reasons.set(node, "has a lease of the slice that was given up");
    for (const [node, failure] of troubles)
      if (fateAfter(failure) === "useless")
        reasons.set(node, `has just refused: ${failureSentence(failure)}`);
    for (const { ticket } of journal.tickets.values()) reasons.set(ticket.node, "has a ticket of the slice");
    for (const node of this.#leased()) reasons.set(node, "has the slice");
    return reasons;
  }

  /** Those that a new node is to be spread from: what the slice has, and may have before long. */
  #held(): NodeAddress[] {
    const held = new Set([...this.#leased(), ...this.inOrder().map(({ ticket }) => ticket.node)]);
    for (const node of this.#parts.troubles.keys()) held.delete(node);
    return this.#parts.journal.record.nodes.filter(({ node }) => held.has(node));
  }

  #leased(): string[] {
    const { journal, lost } = this.#parts;
    return [...journal.leases.keys()].filter((node) => !lost?.has(node));
  }

  /**
   * New tickets take the place of those whose nodes failed, first of those at the same sites: all together stay what the
   * description asks for, whichever of them the next run finds.
   */
  async #rejectReplaced(fresh: readonly HeldTicket[]): Promise<void> {
    const { journal, order, troubles } = this.#parts;
    const siteOf = new Map(journal.record.nodes.map(({ node, site }) => [node, site]));
    const sites = new Set(fresh.map(({ ticket }) => siteOf.get(ticket.node)));
    const isBeside = ({ ticket }: HeldTicket) => Number(!sites.has(siteOf.get(ticket.node)));
    const isReplaceable = ({ ticket: { node } }: HeldTicket) =>
      troubles.has(node) && !isIncluded(order.description, journal, node);
    const failed = this.inOrder().filter(isReplaceable);
    const replaced = failed.sort((a, b) => isBeside(a) - isBeside(b)).slice(0, fresh.length);
    await rejectTickets(
      journal,
      replaced.map(({ id }) => id),
    );
  }
}
