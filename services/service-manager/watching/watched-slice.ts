import { Fault } from "#shared/model/errors.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { ClockWatch } from "#shared/runtime/clock-watch.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { endAbandoned } from "../filling/abandonment.ts";
import { SliceJournal } from "../journal/slice-journal.ts";
import { checkOwner } from "../journal/slice-owner.ts";
import { readSlice, type SliceState } from "../journal/slice-state.ts";
import type { Effort } from "../network/fan-out.ts";
import type { Network } from "../network/network.ts";
import { keptOrder } from "../planning/slice-order.ts";
import { owingNodes } from "../programs/slice-programs.ts";
import { endInTime, type Renewed, renewSlice } from "../renewal.ts";
import { repairSlice } from "../repair.ts";
import { lookAtSlivers } from "../slivers/inspection.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import { disposeOfUnwanted } from "../tickets/ticket-disposal.ts";
import { Backoff } from "./backoff.ts";
import type { Forewarning } from "./forewarning.ts";
import { type Happening, happeningsBetween, type Sight } from "./happenings.ts";
import { agentsAway, Outlook } from "./outlook.ts";
import type { WatchTerms } from "./watch.ts";

/** Leases are said to end soon when this part of their length is left. */
const SOON_BELOW = 1 / 4;
/** What failed is tried again after one look at first, and never later than this. */
const LONGEST_WAIT_MILLISECONDS = 300_000;
/**
 * The part of a lease's length that a node or an agent may keep a watch waiting for, at most. A look at which nodes are
 * replaced waits for up to seven of these, one after another, and leases are renewed when half of their length is left.
 */
const PATIENCE = 1 / 20;
/** The part of a node's deadline that is waited for what nobody wants any more: it is tried again. */
const LEFTOVERS = 1 / 10;
const LEFTOVERS_LEAST_MS = 1000;

/** A slice that is looked at again and again, and what is remembered of it from one look to the next. */
export class WatchedSlice {
  readonly #terms: WatchTerms;
  /** How long a node may take: less than was asked for where leases are so short that they would end meanwhile. */
  #effort: Effort;
  readonly #steps: ClockWatch;
  readonly #outlook = new Outlook();
  readonly #backoff: Backoff;
  #before: Sight | undefined;
  /** Nodes that were lost at the look before: one answer that got lost replaces nobody. */
  #lost: ReadonlySet<string> = new Set();
  #leaseSeconds: number | undefined;
  #unrenewed = new Map<string, Forewarning>();
  /** What was said of repairs last, so that it is said once. */
  #said = "";

  constructor(terms: WatchTerms, steps: ClockWatch) {
    this.#terms = terms;
    this.#effort = terms.effort;
    this.#steps = steps;
    this.#backoff = new Backoff(terms.every * 1000, Math.max(terms.every * 1000, LONGEST_WAIT_MILLISECONDS));
  }

  /** A look after a long time says nothing about how long nodes have been away. */
  forgetLosses(): void {
    this.#lost = new Set();
  }

  /** Looks once, and does what is to be done. Whether the slice is still there. */
  async look(): Promise<boolean> {
    const { home, name, clock } = this.#terms;
    const state = await readSlice(home, name);
    if (!state) return false;
    if (state.record.phase === "deleting") return true;
    await this.#learnLength();
    using network = await this.#terms.openNetwork();
    checkOwner(state.record, network.principal);
    const at = clock.now();
    const see = async () => {
      const { views } = await lookAtSlivers(state, network, this.#effort, at);
      await this.#see({ at: clock.now(), views }, state, network);
    };
    const [away] = await Promise.all([agentsAway(network), see()]); // an agent that hangs keeps nothing waiting
    const terms = { leaseSeconds: this.#leaseSeconds ?? 0, at, uptime: clock.uptime() };
    const known = [...away, ...this.#unrenewed.values()];
    for (const happening of await this.#outlook.news(state, network, known, terms))
      await this.#terms.tell(happening);
    return true;
  }

  async #learnLength(): Promise<void> {
    this.#leaseSeconds ??= await this.#inJournal(
      async (journal) => readSliceDescription(await journal.description()).leaseSeconds,
    );
    if (this.#leaseSeconds === undefined) return; // another command has the slice: known at the next look
    const { effort } = this.#terms;
    const longest = Math.max(1, this.#leaseSeconds * PATIENCE) * 1000;
    this.#effort = { ...effort, deadlineMs: Math.min(effort.deadlineMs, longest) };
  }

  async #see(sight: Sight, state: SliceState, network: Network): Promise<void> {
    const length = this.#leaseSeconds ?? 0;
    for (const happening of happeningsBetween(this.#before, sight, length * SOON_BELOW))
      await this.#terms.tell(happening);
    const before = this.#before;
    this.#before = sight;
    await this.#renew(sight, length, network); // first: what follows may wait for nodes that are away
    if (this.#terms.repair && this.#isToRepair(before, sight, state)) await this.#repair(network);
    this.#lost = new Set(lostNodes(sight));
    await this.#settleLeftovers(network);
  }

  /** Whether somebody is lost who was lost before, too few are left, or one who answers again is owed a program. */
  #isToRepair(before: Sight | undefined, sight: Sight, { record, leases }: SliceState): boolean {
    if (!this.#steps.sure()) return false;
    const lost = lostNodes(sight);
    const owing = owingNodes(record.programs ?? []).filter(
      (node) => leases.has(node) && !lost.includes(node),
    );
    const wasThere = (node: string) => before !== undefined && !lostNodes(before).includes(node);
    if (owing.some((node) => !wasThere(node))) return true;
    const wanting = leases.size < record.count || lost.some((node) => this.#lost.has(node));
    return wanting && this.#backoff.isDue("repair", this.#terms.clock.uptime());
  }

  async #repair(network: Network): Promise<void> {
    const { clock } = this.#terms;
    const repair = await this.#inJournal(async (journal) => {
      const order = await keptOrder(journal);
      const came = await repairSlice(journal, order, network, this.#effort, clock.now());
      await this.#terms.changed(journal.state);
      return came;
    });
    if (!repair) return;
    if (repair.complete) this.#backoff.succeeded("repair");
    else this.#backoff.failed("repair", clock.uptime());
    const said = repair.shortfall.map((failure) => `not repaired: ${failureSentence(failure)}`).join("; ");
    if (said !== this.#said && said !== "") this.#terms.warn(said);
    this.#said = said;
  }

  /**
   * Ends leases that were given up, and gives tickets back that nobody wants, as soon as their nodes answer again: until
   * then slivers run on, and one may appear late on a node that hung when it was asked for it.
   */
  async #settleLeftovers(network: Network): Promise<void> {
    const { clock, tell } = this.#terms;
    const { record } = (await readSlice(this.#terms.home, this.#terms.name)) ?? {};
    const leftovers = (record?.abandoned ?? []).length + (record?.unwanted ?? []).length;
    if (leftovers === 0 || !this.#backoff.isDue("leftovers", clock.uptime())) return;
    const deadlineMs = Math.max(LEFTOVERS_LEAST_MS, this.#effort.deadlineMs * LEFTOVERS);
    const effort = { ...this.#effort, deadlineMs };
    const settled = await this.#inJournal(async (journal) => {
      const given = journal.record.abandoned ?? [];
      const [endings, disposals] = await Promise.all([
        endAbandoned(journal, given, network, effort, clock.now()),
        disposeOfUnwanted(journal, network, effort, clock.now()),
      ]);
      const returned = disposals.flatMap(({ ok, item }) => (ok ? [item.ticket.node] : []));
      return {
        ended: endings.ended,
        returned,
        left: endings.failures.size + disposals.length - returned.length,
      };
    });
    const ended = (node: string, sentence: string): Happening => {
      const ip = record?.nodes.find((one) => one.node === node)?.ip;
      return { at: clock.now(), node, ip, event: "ended", sentence };
    };
    for (const node of settled?.ended ?? []) await tell(ended(node, "its lease, which was given up"));
    for (const node of settled?.returned ?? [])
      await tell(ended(node, "its ticket, which was given back, with any sliver that was made of it late"));
    if (settled?.left === 0) this.#backoff.succeeded("leftovers");
    else this.#backoff.failed("leftovers", clock.uptime());
  }

  /** Renews all leases to one end, when one that can be renewed is near its own. Nodes that are lost set no pace. */
  async #renew(sight: Sight, length: number, network: Network): Promise<void> {
    const { at, views } = sight;
    const { clock } = this.#terms;
    const lost = lostNodes(sight);
    const leases = views.flatMap(({ lease }) => (lease && !lost.includes(lease.node) ? [lease] : []));
    const until = endInTime(leases, length, at);
    if (until === undefined) return;
    const short = leases.filter(({ term }) => term.end < until);
    if (!short.some(({ node }) => this.#backoff.isDue(node, clock.uptime()))) return;
    const renewed = await this.#inJournal(async (journal) => {
      const description = readSliceDescription(await journal.description());
      const nodes = new Set(short.map(({ node }) => node));
      return await renewSlice(journal, description, until, network, this.#effort, at, nodes);
    });
    for (const one of renewed ?? []) await this.#note(one, until);
    this.#before = withRenewed(sight, renewed ?? []);
  }

  /** Tells what a node granted, and remembers what it did not. */
  async #note({ lease, before, failure }: Renewed, until: Instant): Promise<void> {
    const { node, ip, term } = lease;
    const end = `${formatInstant(term.end)} UTC`;
    if (term.end > before) {
      const less = failure ? `, not until ${formatInstant(until)} UTC as asked for` : "";
      await this.#terms.tell({
        ...{ at: this.#terms.clock.now(), node, ip, event: "renewed", sentence: `until ${end}${less}` },
      });
    }
    if (!failure) {
      this.#backoff.succeeded(node);
      this.#unrenewed.delete(node);
      return;
    }
    this.#backoff.failed(node, this.#terms.clock.uptime());
    const sentence = `${failureName(failure)}: ${failureSentence(failure)}; its lease ends at ${end}`;
    this.#unrenewed.set(node, { about: `lease on ${node}`, event: "not-renewed", node, ip, sentence });
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

/** Nodes whose sliver nobody speaks of. */
function lostNodes({ views }: Sight): string[] {
  return views.flatMap(({ address, state }) =>
    state === "unknown" || state === "missing" ? [address.node] : [],
  );
}

function withRenewed({ at, views }: Sight, renewed: readonly Renewed[]): Sight {
  const leases = new Map(renewed.map(({ lease }) => [lease.node, lease]));
  return {
    at,
    views: views.map((view) => ({ ...view, lease: leases.get(view.address.node) ?? view.lease })),
  };
}
