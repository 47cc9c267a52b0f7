import { makeAsk } from "#services/broker/acquisition/ask.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Lease } from "#shared/model/lease.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { type CallFailure, isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { acceptRenewal } from "./filling/lease-acceptance.ts";
import { fateAfter } from "./filling/redemption.ts";
import type { SliceJournal } from "./journal/slice-journal.ts";
import { addressOf } from "./journal/slice-record.ts";
import type { HeldTicket } from "./journal/slice-state.ts";
import { callOptions, type Effort, onEach } from "./network/fan-out.ts";
import type { Network, NodeConnection } from "./network/network.ts";
import { askBook } from "./tickets/asks.ts";
import { disposeOfUnwanted, rejectTickets } from "./tickets/ticket-disposal.ts";

/** How one node's lease stands after a renewal. */
export type Renewed = {
  readonly lease: Lease;
  readonly before: Instant;
  /** Why it does not reach as far as was asked. */
  readonly failure?: CallFailure;
};

/**
 * The end all leases are renewed to when nobody says: the earliest of their ends, one length of the lease later. So a
 * renewal that only some nodes did is finished, not repeated, by the next one.
 */
export function nextEnd(leases: readonly Lease[], leaseSeconds: number): Instant {
  return Math.min(...leases.map((lease) => lease.term.end)) + leaseSeconds;
}

/** Leases are renewed, when nobody says so, as soon as less than this part of their length is left. */
const NEAR = 1 / 2;

/**
 * The end that leases are renewed to by themselves now; undefined while none is near its own. Those that are near alone,
 * after others were renewed without them, get the others' end: so the ends stay together, and nobody is renewed again
 * and again on account of one that cannot be.
 */
export function endInTime(leases: readonly Lease[], leaseSeconds: number, now: Instant): Instant | undefined {
  const isNear = ({ term }: Lease) => term.end - now < leaseSeconds * NEAR;
  if (!leases.some(isNear)) return undefined;
  const ends = leases.filter((lease) => !isNear(lease)).map(({ term }) => term.end);
  if (ends.length === 0) return Math.max(nextEnd(leases, leaseSeconds), now + leaseSeconds);
  return Math.min(Math.max(...ends), now + Math.floor(leaseSeconds * (1 + NEAR)));
}

/**
 * Renews every lease of a slice, or those on some nodes only, to `until`, each node by itself. Where a lease can't be renewed that far, its agent is
 * asked for a further ticket first; where that is refused, the lease is renewed as far as it goes.
 */
export async function renewSlice(
  journal: SliceJournal,
  description: SliceDescription,
  until: Instant,
  network: Network,
  effort: Effort,
  now: Instant,
  nodes?: ReadonlySet<string>,
): Promise<Renewed[]> {
  const leases = [...journal.leases.values()].flatMap(({ lease }) =>
    !nodes || nodes.has(lease.node) ? [lease] : [],
  );
  const short = leases.filter((lease) => lease.term.end < until && lease.renewableUntil < until);
  const unticketed = await getTickets(journal, short, description, until, network, now);
  const renewed = await onEach(
    "renewing leases",
    leases,
    async (lease): Promise<Renewed> => {
      const before = lease.term.end;
      if (before >= until) return { lease, before };
      const node = network.node(addressOf(journal.record, lease.node));
      const ticket = short.includes(lease) ? renewalTicket(journal, lease, until) : undefined;
      const granted = await renewOne(journal, node, lease, until, ticket, effort);
      return {
        lease: granted,
        before,
        ...(granted.term.end < until && { failure: unticketed ?? tooShort(granted) }),
      };
    },
    effort,
  );
  await rejectTickets(journal, useless(journal, until));
  await disposeOfUnwanted(journal, network, effort, now);
  return renewed.map((outcome) =>
    outcome.ok
      ? outcome.value
      : { lease: outcome.item, before: outcome.item.term.end, failure: outcome.error },
  );
}

/** Sees to a ticket for every lease that needs one. Gives back why there are fewer. */
async function getTickets(
  journal: SliceJournal,
  short: readonly Lease[],
  description: SliceDescription,
  until: Instant,
  network: Network,
  now: Instant,
): Promise<CallFailure | undefined> {
  let failure: CallFailure | undefined;
  const terms = { description, principal: network.principal, resources: resourcesOf(description) };
  const book = askBook(journal, "renewal", (agent) => network.agent(agent).ticketKeys());
  const make = async (ask: Parameters<typeof makeAsk>[0]) => {
    try {
      await makeAsk(ask, terms, network.agents, book);
    } catch (error) {
      if (!isCallFailure(error)) throw error;
      failure = error;
    }
  };
  for (const ask of journal.record.asks.filter(({ purpose }) => purpose === "renewal")) await make(ask);
  await rejectTickets(journal, useless(journal, until));
  const lacking = short.filter((lease) => !renewalTicket(journal, lease, until));
  if (lacking.length === 0) return failure;
  const length = Math.max(description.leaseSeconds, until - now);
  try {
    for (const ask of await book.open(await renewalAsks(journal, lacking, length, network))) await make(ask);
  } catch (error) {
    if (!isCallFailure(error)) throw error;
    failure = error; // its agent cannot even be asked for its key
  }
  return failure;
}

/** A ticket of a lease's greatest length can be renewed itself, which reaches further than any one ticket. */
async function renewalAsks(
  journal: SliceJournal,
  leases: readonly Lease[],
  length: number,
  network: Network,
) {
  const nodes = leases.map((lease) => addressOf(journal.record, lease.node));
  const agents = [...new Set(nodes.map(({ agent }) => network.agent(agent).name))];
  return await Promise.all(
    agents.map(async (agent) => {
      const own = nodes.filter((node) => network.agent(node.agent).name === agent);
      const asked = own.map(({ node, ip, sslport, site }) => ({ node, ip, sslport, site }));
      const { maxLease } = await network.agent(agent).facts();
      return { agent, count: own.length, atleast: 1, nodes: asked, leaseSeconds: Math.min(length, maxLease) };
    }),
  );
}

/** A ticket, kept for this purpose, that reaches far enough. */
function renewalTicket(journal: SliceJournal, lease: Lease, until: Instant): HeldTicket | undefined {
  const { unwanted } = journal.record;
  return [...journal.tickets.values()].find(
    ({ id, ticket }) =>
      ticket.node === lease.node && ticket.renewableUntil >= until && !unwanted.includes(id),
  );
}

/** Tickets an earlier renewal left behind: they don't reach as far as this one, or their lease was renewed with them. */
function useless(journal: SliceJournal, until: Instant): string[] {
  return [...journal.tickets.values()]
    .filter(({ ticket }) => {
      const lease = journal.leases.get(ticket.node)?.lease;
      return lease && (ticket.renewableUntil < until || ticket.renewableUntil <= lease.renewableUntil);
    })
    .map(({ id }) => id);
}

async function renewOne(
  journal: SliceJournal,
  node: NodeConnection,
  lease: Lease,
  until: Instant,
  ticket: HeldTicket | undefined,
  effort: Effort,
): Promise<Lease> {
  const alone = { slice: lease.slice, lease_serial: lease.serial, end_time: formatInstant(until) };
  const call = async (ticketdata?: string) =>
    await node.api.renewlease(
      { ...alone, ...(ticketdata !== undefined && { ticketdata }) },
      callOptions(effort),
    );
  let text: string;
  try {
    text = await call(ticket?.text);
  } catch (error) {
    if (!ticket || !isCallFailure(error) || fateAfter(error) === "keep") throw error;
    // Used by a renewal whose answer was lost, or of no use: either way the node tells how its lease stands.
    await rejectTickets(journal, [ticket.id]);
    text = await call();
  }
  const renewed = acceptRenewal(text, node.key(), lease, ticket);
  await journal.keepLease(text, renewed, node.key());
  if (ticket && !journal.record.unwanted.includes(ticket.id)) await journal.forgetTicket(ticket.id);
  return renewed;
}

function tooShort({ renewableUntil }: Lease): Fault {
  return new Fault(
    "EXPIRED",
    `the lease can be renewed until ${formatInstant(renewableUntil)} UTC and no further`,
  );
}

function resourcesOf({ name, resources }: SliceDescription) {
  if (!resources) throw new Fault("MALFORMED", `the description kept of ${name} lacks its resources`);
  return resources;
}
