import { isRefusal, makeAsk } from "#services/broker/acquisition/ask.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";
import { type CallFailure, isCallFailure, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { endAbandoned } from "./filling/abandonment.ts";
import type { SliceJournal } from "./journal/slice-journal.ts";
import { addressOf } from "./journal/slice-record.ts";
import type { HeldLease } from "./journal/slice-state.ts";
import { callOptions, type Effort, onEach } from "./network/fan-out.ts";
import type { Network } from "./network/network.ts";
import { askBook } from "./tickets/asks.ts";
import { closeRequest } from "./tickets/request-closing.ts";
import { disposeOfUnwanted, isGone, rejectTickets } from "./tickets/ticket-disposal.ts";

/** What a deletion came to. When nothing is left the slice is forgotten; else running it again finishes it. */
export type Deletion = {
  readonly ended: number;
  /** By node, or by agent for asks nobody has answered. */
  readonly failures: ReadonlyMap<string, CallFailure>;
};

/**
 * Deletes a slice: ends every lease at its node, gives every ticket back, and forgets the slice when nothing of it can
 * be anywhere any more. What cannot be reached is kept, for the next run.
 */
export async function deleteSlice(
  journal: SliceJournal,
  network: Network,
  effort: Effort,
  now: Instant,
): Promise<Deletion> {
  await journal.update((record) => ({ ...record, phase: "deleting" }));
  const failures = new Map<string, CallFailure>();
  for (const [agent, failure] of await settleAsks(journal, network)) failures.set(agent, failure);
  for (const [agent, failure] of await closeRequests(journal, network, now)) failures.set(agent, failure);
  await rejectTickets(journal, [...journal.tickets.keys()]);
  const leases = [...journal.leases.values()];
  const endings = await onEach(
    "ending leases",
    leases,
    (held) => end(journal, held, network, effort, now),
    effort,
  );
  const { ended: late, failures: unanswered } = await endAbandoned(
    journal,
    journal.record.abandoned ?? [],
    network,
    effort,
    now,
  );
  for (const [node, failure] of unanswered) failures.set(node, failure);
  const disposals = await disposeOfUnwanted(journal, network, effort, now);
  for (const outcome of endings) if (!outcome.ok) failures.set(outcome.item.lease.node, outcome.error);
  for (const outcome of disposals) if (!outcome.ok) failures.set(outcome.item.ticket.node, outcome.error);
  const ended = endings.filter((outcome) => outcome.ok).length + late.length;
  if (failures.size === 0) await journal.remove();
  return { ended, failures };
}

/**
 * Asks that may have been granted without our knowing are made again: the same tickets come, and are given back with
 * the others. One that was never granted is granted now, or refused; both are certain.
 */
async function settleAsks(journal: SliceJournal, network: Network): Promise<[string, CallFailure][]> {
  const failures: [string, CallFailure][] = [];
  if (journal.record.asks.length === 0) return failures;
  const { description, resources } = await describedNeeds(journal);
  const terms = { description, principal: network.principal, resources };
  for (const ask of journal.record.asks) {
    const book = askBook(journal, ask.purpose, (name) => network.agent(name).ticketKeys());
    try {
      await makeAsk(ask, terms, network.agents, book);
    } catch (error) {
      if (!isCallFailure(error)) throw error;
      if (!isRefusal(error)) failures.push([ask.agent, error]);
    }
  }
  return failures;
}

/** What brokers got and did not hand over comes into the journal, to be given back with the rest. */
async function closeRequests(
  journal: SliceJournal,
  network: Network,
  now: Instant,
): Promise<[string, CallFailure][]> {
  const failures: [string, CallFailure][] = [];
  const requests = journal.record.requests ?? [];
  if (requests.length === 0) return failures;
  const { description, resources } = await describedNeeds(journal);
  for (const request of requests) {
    const terms = { description, resources, now };
    failures.push(...(await closeRequest(request, { journal, network, terms })).failures);
  }
  return failures;
}

async function describedNeeds(journal: SliceJournal) {
  const description = readSliceDescription(await journal.description());
  const { resources } = description;
  if (!resources) throw new Fault("MALFORMED", "the description that was kept lacks its resources");
  return { description, resources };
}

async function end(
  journal: SliceJournal,
  { lease }: HeldLease,
  network: Network,
  effort: Effort,
  now: Instant,
): Promise<void> {
  const node = network.node(addressOf(journal.record, lease.node));
  try {
    await node.api.deletelease({ slice: lease.slice, lease_serial: lease.serial }, callOptions(effort));
  } catch (error) {
    const over = error instanceof TransportError && now >= lease.term.end; // its node ends it by itself
    if (!over && !isGone(error)) throw error;
  }
  await journal.forgetLease(lease.node);
}
