import type { PublicKey } from "#shared/identity/key.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import type { OpenRequest, SliceRecord } from "../journal/slice-record.ts";
import { withKeys, withNodes } from "./asks.ts";
import type { BroughtTicket } from "./brokered-tickets.ts";
import { rejectTickets } from "./ticket-disposal.ts";

/**
 * The requests of one slice, in its journal. A request is written down, with the keys that will verify what it brings,
 * before anybody sees it; it is crossed out when every ticket that it brought is on the disk.
 */
export async function openInBook(
  journal: SliceJournal,
  request: OpenRequest,
  keys: readonly PublicKey[],
): Promise<void> {
  await journal.update((record) => ({
    ...record,
    requests: [...(record.requests ?? []), request],
    ticketKeys: withKeys(record.ticketKeys, keys),
  }));
}

/**
 * Keeps tickets that a request brought; gives back how many of them are of use. Those that became leases before this
 * process was killed are done with, and those for nodes that the slice has, or that are useless, are given back.
 */
export async function adoptTickets(
  journal: SliceJournal,
  brought: readonly BroughtTicket[],
): Promise<number> {
  const fresh = brought.filter(
    ({ id, ticket }) => journal.leases.get(ticket.node)?.lease.ticket !== id && !journal.tickets.has(id),
  );
  if (fresh.length === 0) return 0;
  const held = new Set([...journal.leases.keys(), ...journal.redeemable.map(({ ticket }) => ticket.node)]);
  const surplus = fresh.filter(({ ticket, useless }) => useless || held.has(ticket.node));
  const known = new Set(journal.record.nodes.map(({ node }) => node));
  const addresses = fresh
    .filter((ticket) => !surplus.includes(ticket) || !known.has(ticket.ticket.node))
    .map(({ address }) => address);
  const signers = fresh.map(({ signer }) => signer);
  await journal.update((record) => ({
    ...record,
    nodes: withNodes(record.nodes, addresses),
    ticketKeys: withKeys(record.ticketKeys, signers),
  }));
  await rejectTickets(
    journal,
    surplus.map(({ id }) => id),
  );
  await Promise.all(fresh.map((ticket) => journal.keepTicket(ticket)));
  return fresh.length - surplus.length;
}

/** Everything a request brought is known and kept. */
export async function crossOut(journal: SliceJournal, id: DocumentId): Promise<void> {
  await journal.update((record) => withRequests(record, (request) => (request.id === id ? [] : [request])));
}

/** What it brought is known and kept but at these agents, which could not be asked. */
export async function leaveOpen(
  journal: SliceJournal,
  id: DocumentId,
  agents: readonly string[],
): Promise<void> {
  await journal.update((record) =>
    withRequests(record, (request) => [request.id === id ? { ...request, agents } : request]),
  );
}

function withRequests(
  record: SliceRecord,
  change: (request: OpenRequest) => readonly OpenRequest[],
): SliceRecord {
  return { ...record, requests: (record.requests ?? []).flatMap(change) };
}
