import type { Lease } from "#shared/model/lease.ts";
import type { Instant } from "#shared/model/time.ts";
import { type CallFailure, isCallFailure, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import { addressOf } from "../journal/slice-record.ts";
import type { HeldTicket } from "../journal/slice-state.ts";
import { type Effort, sharing } from "../network/fan-out.ts";
import type { Network } from "../network/network.ts";
import type { Order } from "../planning/slice-order.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import { disposeOfUnwanted, rejectTickets } from "../tickets/ticket-disposal.ts";
import type { TicketSource } from "../tickets/ticket-source.ts";
import { abandonLease, endAbandoned } from "./abandonment.ts";
import { isIncluded, lackingOf } from "./included.ts";
import type { Leg } from "./lateness.ts";
import { type Attempt, type RaceEnd, race } from "./race.ts";
import { fateAfter, redeem } from "./redemption.ts";
import { type Lost, TicketSupply } from "./ticket-supply.ts";

/** What is to run in a sliver before it counts: the programs of its slice. */
export type Start = {
  /** Slivers that had it before: what runs there is not touched. */
  readonly had: ReadonlySet<string>;
  /** Throws CallFailure. */
  readonly run: (lease: Lease, effort: Pick<Effort, "signal" | "deadlineMs">) => Promise<void>;
};

/** What a filling works on and with. */
export type FillingParts = {
  readonly journal: SliceJournal;
  readonly order: Order;
  readonly source: TicketSource;
  readonly network: Network;
  readonly effort: Effort;
  readonly now: Instant;
  readonly start: Start;
  /** Given by a repair alone, which goes on with a slice whatever becomes of it. */
  readonly lost?: Lost;
};

/** A ticket to be redeemed, or a sliver that only lacks its programs. */
type Candidate = { readonly node: string; readonly held?: HeldTicket };

const MAKING: Leg = { name: "making slivers", latest: 1 / 5 };
/** It carries files, whose size nobody knows here. */
const STARTING: Leg = { name: "starting programs", latest: 1 / 2 };

/** Giving back takes this share of a node's deadline, for all nodes together, and what is left is left to the next run. */
const GIVING_BACK = 1 / 10;
const GIVING_BACK_LEAST_MS = 1000;

/** One run towards as many slivers, with what is to run there, as are wanted. */
export class Filling {
  /** The last thing that went wrong on each node that has not done what it should. */
  readonly troubles = new Map<string, CallFailure>();
  readonly #parts: FillingParts;
  readonly #supply: TicketSupply;
  /** Nodes with a lease that counts, and all that is to run there. */
  readonly #up = new Set<string>();
  /** Read once, however many nodes are to let it in. */
  #publickey: Promise<string> | undefined;

  constructor(parts: FillingParts) {
    const dispose = () => this.#dispose();
    this.#parts = parts;
    this.#supply = new TicketSupply({ ...parts, lost: parts.lost, troubles: this.troubles, dispose });
  }

  /** What kept agents from granting more. */
  get shortfall(): readonly CallFailure[] {
    return this.#supply.shortfall(this.#up.size >= this.#count);
  }

  /** Why there is nothing, if there is nothing. */
  get lastFailure(): CallFailure | undefined {
    return [...this.troubles.values()].at(-1) ?? this.shortfall.at(-1);
  }

  /** Whether a node has a lease that counts, and all that is to run there. */
  isUp(node: string): boolean {
    return this.#up.has(node);
  }

  get #count(): number {
    return this.#parts.order.description.nodes.count;
  }

  /**
   * Redeems tickets, and gets more of them, until enough slivers are up. Whoever fails is replaced at once; whoever is
   * much slower than others gets a stand-in beside it. Nobody stands in for nodes that must be there: they are waited
   * for, and where one fails its place stays open. Then what is not needed is given back.
   */
  async fill(): Promise<void> {
    const { start } = this.#parts;
    await this.#supply.settle();
    const begun: Candidate[] = [];
    for (const { node } of this.#leases()) {
      if (start.had.has(node)) this.#up.add(node);
      else begun.push({ node });
    }
    const musts = this.#lacking(this.#up).length;
    const others = Math.max(0, this.#count - this.#up.size - musts);
    const all = () => [...begun, ...candidatesOf(this.#supply.inOrder())];
    if (this.#lacking(new Set([...this.#up, ...all().map(({ node }) => node)])).length > 0)
      await this.#supply.more(others);
    const { true: included = [], false: rest = [] } = Object.groupBy(
      all(),
      ({ node }) => `${this.#isIncluded(node)}`,
    );
    const { succeeded, cutOff } = await this.#races(included, rest, others);
    for (const { node } of succeeded) this.#up.add(node);
    for (const { node } of cutOff) this.troubles.set(node, this.#tooSlow(node));
    await this.#letGo();
  }

  /** Those that must come up, all of them, beside as many others as are wanted. Both come to their end before it throws. */
  async #races(included: Candidate[], rest: Candidate[], others: number): Promise<RaceEnd<Candidate>> {
    const { effort } = this.#parts;
    const tallies = new Map<string, readonly [number, number]>();
    const run = (
      name: string,
      wanted: number,
      candidates: Candidate[],
      more: (count: number) => Promise<Candidate[]>,
    ) =>
      race<Candidate>({
        ...{ wanted, candidates, more, elapsed, deadlineMs: effort.deadlineMs, signal: effort.signal },
        attempt: (candidate, attempt) => this.#attempt(candidate, attempt),
        progress: (...tally) => {
          tallies.set(name, tally);
          const [done, failed] = [0, 1].map((at) =>
            [...tallies.values()].reduce((sum, one) => sum + one[at]!, 0),
          );
          effort.progress(MAKING.name, done!, included.length + others, failed!);
        },
      });
    const ends = await Promise.allSettled([
      ...(included.length > 0 ? [run("included", included.length, included, async () => [])] : []),
      run("others", others, rest, async (count) => candidatesOf(await this.#supply.more(count))),
    ]);
    const done = ends.map((end) => {
      if (end.status === "rejected") throw end.reason;
      return end.value;
    });
    return {
      succeeded: done.flatMap(({ succeeded }) => succeeded),
      cutOff: done.flatMap(({ cutOff }) => cutOff),
    };
  }

  async #attempt({ node, held }: Candidate, { signal, begin }: Attempt): Promise<boolean> {
    const { journal, network, start } = this.#parts;
    const effort = { ...this.#parts.effort, signal };
    try {
      if (held) {
        begin(MAKING);
        this.#publickey ??= journal.publicIdentity();
        await redeem(journal, { held, publickey: await this.#publickey }, network, effort);
      }
      begin(STARTING);
      await start.run(journal.leases.get(node)!.lease, effort);
    } catch (error) {
      signal.throwIfAborted();
      if (!isCallFailure(error)) throw error;
      await this.#failed(node, held, error);
      return false;
    }
    return true;
  }

  async #failed(node: string, held: HeldTicket | undefined, failure: CallFailure): Promise<void> {
    const { journal, now } = this.#parts;
    this.troubles.set(node, failure);
    const { ip } = addressOf(journal.record, node);
    await journal.note(now, `${ip}: ${failureName(failure)}: ${failureSentence(failure)}`);
    if (held && journal.tickets.has(held.id) && fateAfter(failure) !== "keep")
      await rejectTickets(journal, [held.id]);
  }

  #tooSlow(node: string): TransportError {
    const { ip } = addressOf(this.#parts.journal.record, node);
    return new TransportError("timeout", `${ip} had not done it when enough other nodes had`);
  }

  #leases(): Lease[] {
    const { journal, lost } = this.#parts;
    return [...journal.leases.values()].map(({ lease }) => lease).filter(({ node }) => !lost?.has(node));
  }

  #isIncluded(node: string): boolean {
    const { order, journal } = this.#parts;
    return isIncluded(order.description, journal, node);
  }

  /** Nodes that must be there, beside these. */
  #lacking(present: ReadonlySet<string>): string[] {
    const { order, journal } = this.#parts;
    return lackingOf(order.description, journal, present);
  }

  /**
   * Keeps as many leases as are wanted, those that must be there and those that are up first, and tickets for what is
   * still missing, which the next run redeems. The rest is given up and given back, as far as its nodes answer soon.
   */
  async #letGo(): Promise<void> {
    const { journal } = this.#parts;
    const rank = ({ node }: Lease) => Number(this.#isIncluded(node)) * 2 + Number(this.#up.has(node));
    const leases = this.#leases().sort((a, b) => rank(b) - rank(a));
    const absent = this.#lacking(new Set(leases.map(({ node }) => node)));
    const missing = Math.max(0, this.#count - leases.length - absent.length);
    const tickets = this.#supply
      .inOrder()
      .filter(({ ticket }) => !absent.includes(ticket.node))
      .slice(missing);
    await rejectTickets(
      journal,
      tickets.map(({ id }) => id),
    );
    const surplus = leases.slice(this.#count);
    for (const lease of surplus) await abandonLease(journal, lease);
    const { network, now } = this.#parts;
    await Promise.all([this.#dispose(), endAbandoned(journal, surplus, network, this.#aWhile(), now)]);
  }

  /** Gives tickets back; whether any is settled now. */
  async #dispose(): Promise<boolean> {
    const { journal, network, now } = this.#parts;
    const outcomes = await disposeOfUnwanted(journal, network, this.#aWhile(), now);
    for (const outcome of outcomes) {
      const { node } = outcome.item.ticket;
      if (!outcome.ok && !this.troubles.has(node)) this.troubles.set(node, outcome.error);
    }
    return outcomes.some(({ ok }) => ok);
  }

  #aWhile(): Effort {
    const { effort } = this.#parts;
    return sharing(effort, Math.max(GIVING_BACK_LEAST_MS, effort.deadlineMs * GIVING_BACK), elapsed);
  }
}

function candidatesOf(tickets: readonly HeldTicket[]): Candidate[] {
  return tickets.map((held) => ({ node: held.ticket.node, held }));
}

/** Nothing is decided by it but who is waited for. */
function elapsed(): number {
  return performance.now();
}
