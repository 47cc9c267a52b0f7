import type { KeyName } from "#shared/identity/key.ts";
import type { RevocableLink } from "#shared/model/revocation.ts";
import type { DocumentId, Ticket } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { readTicket } from "#shared/wire/ticket-document.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";

/** A ticket of a chain by its identity. */
type Named = { readonly id: DocumentId; readonly ticket: Ticket };

/**
 * A chain, root first, as far as revoking is about it. Tickets name ticket keys; who stands behind one is known of the
 * root by the node itself, and below by the holding that names its holder.
 */
export function revocableLinks(chain: readonly Named[], agent: KeyName | undefined): RevocableLink[] {
  const holders = chain.map(({ ticket }, at) =>
    at === 0 ? agent : ticket.kind === "holding" ? (ticket.holder ?? ticket.principal) : undefined,
  );
  return chain.map(({ id, ticket }, at) => {
    const holder = holders[at];
    return {
      id,
      signer: at === 0 ? ticket.issuer : holders[at - 1],
      keys: [ticket.issuer, ticket.principal, ...(holder === undefined ? [] : [holder])],
    };
  });
}

/** A chain that a lease stands on. */
export type LeaseChain = { readonly links: readonly RevocableLink[] };

/** The same chain as if its ticket had been another member's: all of a slice are equals (docs/decisions/0027). */
export function usedBy(links: readonly RevocableLink[], member: KeyName): RevocableLink[] {
  const leaf = links.at(-1)!;
  const [issuer] = leaf.keys;
  return [...links.slice(0, -1), { ...leaf, keys: [issuer!, member] }];
}

/**
 * The chains that a lease counts under now or later: that of the ticket it was made with, and of those that extended
 * it. Their documents were verified when they were redeemed, or when the store was opened.
 */
export function chainsOfLease(store: Store, { serial }: StoredLease, now: Instant): LeaseChain[] {
  const counted = new Set(store.charges.ofLease(serial, now));
  return store.tickets.ofLease(serial).flatMap(({ id, parent, document }) => {
    if (document === undefined || parent === undefined || !counted.has(parent)) return [];
    const chain = [...holdingsAbove(store, parent), { id, ticket: read(document) }];
    return [{ links: revocableLinks(chain, store.roots.find(chain[0]!.id)?.agent) }];
  });
}

function holdingsAbove(store: Store, id: DocumentId): Named[] {
  const { parent, document } = store.holdings.find(id)!;
  const above = parent === undefined ? [] : holdingsAbove(store, parent);
  return [...above, { id, ticket: read(document) }];
}

/** Whether any holding that was used here names this agent as its holder. */
export function isHolder(store: Store, agent: KeyName): boolean {
  const holdings = store.holdings.all().map(({ document }) => read(document));
  return holdings.some((holding) => holding.kind === "holding" && holding.holder === agent);
}

function read(document: string): Ticket {
  return readTicket(parseDocument(document));
}
