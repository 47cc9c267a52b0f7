import type { Lease } from "#shared/model/lease.ts";
import type { Instant } from "#shared/model/time.ts";
import { type CallFailure, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import { type AbandonedLease, addressOf } from "../journal/slice-record.ts";
import { callOptions, type Effort, onEach } from "../network/fan-out.ts";
import type { Network } from "../network/network.ts";
import { isGone, rejectTickets } from "../tickets/ticket-disposal.ts";

/** What became of abandoned leases, by node. */
export type Endings = {
  readonly ended: readonly string[];
  readonly failures: ReadonlyMap<string, CallFailure>;
};

/**
 * Gives a lease up: from the moment this is in the record, the lease counts no more, whenever this process ends. Tickets
 * got to renew it are not redeemed in its place.
 */
export async function abandonLease(journal: SliceJournal, lease: Lease): Promise<void> {
  const { node, serial, renewableUntil } = lease;
  const tickets = [...journal.tickets.values()].filter(({ ticket }) => ticket.node === node);
  await rejectTickets(
    journal,
    tickets.map(({ id }) => id),
  );
  await journal.update((record) => ({
    ...record,
    abandoned: [...(record.abandoned ?? []), { node, serial, renewableUntil }],
  }));
  await journal.forgetLease(node);
}

/**
 * Ends abandoned leases whose nodes answer, and forgets those that can't live any more wherever their nodes are. Others
 * are kept for the next run. Only that very lease is ended: one made since has another serial.
 */
export async function endAbandoned(
  journal: SliceJournal,
  abandoned: readonly AbandonedLease[],
  network: Network,
  effort: Effort,
  now: Instant,
): Promise<Endings> {
  const { record } = journal;
  const outcomes = await onEach(
    "ending leases that were given up",
    abandoned,
    async ({ node, serial, renewableUntil }) => {
      try {
        const { api } = network.node(addressOf(record, node));
        await api.deletelease({ slice: record.name, lease_serial: serial }, callOptions(effort));
      } catch (error) {
        const over = error instanceof TransportError && now >= renewableUntil;
        if (!over && !isGone(error)) throw error;
      }
      await journal.update((now) => ({
        ...now,
        abandoned: now.abandoned?.filter((other) => other.serial !== serial),
        troubles: now.troubles.filter((trouble) => trouble.node !== node),
      }));
    },
    effort,
  );
  return {
    ended: outcomes.flatMap(({ ok, item }) => (ok ? [item.node] : [])),
    failures: new Map(
      outcomes.flatMap((outcome) => (outcome.ok ? [] : [[outcome.item.node, outcome.error]])),
    ),
  };
}
