import { isRefusal } from "#services/broker/ask.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import { type CallFailure, isCallFailure, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { failureName, failureSentence } from "./failure.ts";
import type { Effort } from "./fan-out.ts";
import type { Network } from "./network.ts";
import { type Fate, fateAfter, redeem } from "./redemption.ts";
import type { SliceJournal } from "./slice-journal.ts";
import type { Order } from "./slice-order.ts";
import type { NodeAddress } from "./slice-record.ts";
import type { HeldTicket } from "./slice-state.ts";
import { disposeOfUnwanted, rejectTickets } from "./ticket-disposal.ts";
import type { TicketSource } from "./ticket-source.ts";

/** How often nodes that have no use for a ticket are replaced by others in one run. */
const MAX_REPLACEMENTS = 5;

/** Nodes of the slice that others are to stand in for, each with the reason. */
export type Lost = ReadonlyMap<string, string>;

/** What a filling works on and with. */
export type FillingParts = {
  readonly journal: SliceJournal;
  readonly order: Order;
  readonly source: TicketSource;
  readonly network: Network;
  readonly effort: Effort;
  readonly now: Instant;
  /** Given by a repair alone. */
  readonly lost?: Lost;
};

/** One run towards as many leases as are wanted. With lost nodes, it goes on with a slice whatever becomes of it. */
export class Filling {
  /** What kept agents from granting more. */
  readonly shortfall: CallFailure[] = [];
  /** The last thing that went wrong on each node that has no lease. */
  readonly troubles = new Map<string, CallFailure>();
  readonly #journal: SliceJournal;
  readonly #order: Order;
  readonly #source: TicketSource;
  readonly #network: Network;
  readonly #effort: Effort;
  readonly #now: Instant;
  readonly #lost: Lost | undefined;
  /** Tickets that failed in this run; the next run tries them again. */
  readonly #tried = new Set<string>();

  constructor({ journal, order, source, network, effort, now, lost }: FillingParts) {
    this.#journal = journal;
    this.#order = order;
    this.#source = source;
    this.#network = network;
    this.#effort = effort;
    this.#now = now;
    this.#lost = lost;
  }

  /** Why there is nothing, if there is nothing. */
  get lastFailure(): CallFailure | undefined {
    return [...this.troubles.values()].at(-1) ?? this.shortfall.at(-1);
  }

  /** Nodes with a lease that counts. */
  get #good(): string[] {
    return [...this.#journal.leases.keys()].filter((node) => !this.#lost?.has(node));
  }

  async fill(): Promise<void> {
    const { count, atleast } = this.#order.description.nodes;
    const unknown = await this.#source.settle();
    this.shortfall.push(...unknown);
    for (let replacements = 0; ; replacements++) {
      await this.#redeemAll(count);
      await this.#dispose();
      const held = this.#good.length + this.#journal.redeemable.length;
      // While it is unknown what was granted, nothing more is asked for.
      if (held >= count || unknown.length > 0 || replacements >= MAX_REPLACEMENTS) break;
      if (!(await this.#acquire(count - held, atleast - held))) break;
    }
    if (this.#good.length >= count) await this.#giveBackAll(); // standbys nobody needs any more
  }

  /** Redeems tickets until enough slivers are made, standbys in the place of those that fail. */
  async #redeemAll(wanted: number): Promise<void> {
    for (;;) {
      const untried = this.#inOrder().filter(({ id }) => !this.#tried.has(id));
      const next = untried.slice(0, Math.max(0, wanted - this.#good.length));
      if (next.length === 0) return;
      const outcomes = await redeem(this.#journal, next, this.#network, this.#effort);
      for (const outcome of outcomes) {
        this.#tried.add(outcome.item.id);
        if (outcome.ok) this.troubles.delete(outcome.item.ticket.node);
        else await this.#failed(outcome.item, outcome.error);
      }
    }
  }

  async #failed({ id, ticket }: HeldTicket, failure: CallFailure): Promise<void> {
    this.troubles.set(ticket.node, failure);
    await this.#journal.note(this.#now, `${ticket.ip}: ${failureName(failure)}: ${failureSentence(failure)}`);
    if (this.#fate(failure) !== "keep") await rejectTickets(this.#journal, [id]);
  }

  /** A creation waits for nodes that are away; a repair is there to do without them. */
  #fate(failure: CallFailure): Fate {
    return this.#lost && failure instanceof TransportError ? "useless" : fateAfter(failure);
  }

  #inOrder() {
    const rank = new Map(this.#journal.record.nodes.map(({ node }, index) => [node, index]));
    return this.#journal.redeemable.sort(
      (a, b) => (rank.get(a.ticket.node) ?? 0) - (rank.get(b.ticket.node) ?? 0),
    );
  }

  /**
   * Gets tickets for more nodes; whether there are any new ones. A slice that cannot begin with at least as many as
   * its description needs does not begin: then what was granted is given back.
   */
  async #acquire(wanted: number, atleast: number): Promise<boolean> {
    const journal = this.#journal;
    const first =
      !this.#lost && journal.leases.size === 0 && journal.tickets.size === 0 && this.#tried.size === 0;
    const acquisition = {
      wanted,
      atleast: first ? atleast : 1,
      standby: first ? this.#order.description.nodes.standby : 0,
      ruledOut: this.#ruledOut(),
      held: this.#held(),
    };
    try {
      const { granted, failures } = await this.#source.acquire(acquisition);
      this.shortfall.push(...failures);
      if (first && granted < atleast) await this.#giveUp(granted, atleast);
      return granted > 0;
    } catch (error) {
      if (first || !isCallFailure(error)) throw error;
      this.shortfall.push(error);
      return false;
    }
  }

  async #giveUp(granted: number, atleast: number): Promise<never> {
    await this.#giveBackAll();
    throw (
      this.shortfall.find(isRefusal) ??
      new Fault(
        "NO_CAPACITY",
        `agents granted ${granted} of the ${atleast} nodes needed, others having got the rest meanwhile; ask again, or for fewer nodes`,
      )
    );
  }

  #ruledOut(): Map<string, string> {
    const reasons = new Map<string, string>(this.#lost);
    for (const { node } of this.#journal.record.abandoned ?? [])
      reasons.set(node, "has a lease of the slice that was given up");
    for (const [node, failure] of this.troubles) {
      if (this.#fate(failure) === "useless")
        reasons.set(
          node,
          `has just ${failure instanceof TransportError ? "failed" : "refused"}: ${failureSentence(failure)}`,
        );
    }
    for (const { ticket } of this.#journal.tickets.values())
      reasons.set(ticket.node, "has a ticket of the slice");
    for (const node of this.#good) reasons.set(node, "has the slice");
    return reasons;
  }

  #held(): NodeAddress[] {
    const { record, redeemable } = this.#journal;
    const held = new Set([...this.#good, ...redeemable.map(({ ticket }) => ticket.node)]);
    return record.nodes.filter(({ node }) => held.has(node));
  }

  async #giveBackAll(): Promise<void> {
    const { redeemable } = this.#journal;
    await rejectTickets(
      this.#journal,
      redeemable.map(({ id }) => id),
    );
    await this.#dispose();
  }

  async #dispose(): Promise<void> {
    const outcomes = await disposeOfUnwanted(this.#journal, this.#network, this.#effort, this.#now);
    for (const outcome of outcomes)
      if (!outcome.ok) this.troubles.set(outcome.item.ticket.node, outcome.error);
  }
}
