import type { KeyName } from "#shared/identity/key.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { SliceTicket } from "#shared/model/ticket.ts";
import { CLOCK_SLACK } from "#shared/model/time.ts";
import type { Chain } from "#shared/wire/chain.ts";
import { withoutParents } from "#shared/wire/document.ts";
import type { Tx } from "../store/database.ts";
import type { Store } from "../store.ts";

/** What is done with every ticket that is used, whether it makes a lease or extends one. */

/** Only the principal a ticket names can redeem it, whoever holds a copy. */
export function checkPrincipal(ticket: SliceTicket, peer: KeyName): void {
  refuseUnless(
    ticket.principal === peer,
    "NOT_PRINCIPAL",
    `the ticket is for the principal ${ticket.principal.slice(0, 12)}…; only that key can use it`,
  );
}

/** Remembers every holding above a ticket, and refuses one that was closed. */
export function recordHoldings(store: Store, tx: Tx, chain: Chain<SliceTicket>): void {
  for (const { id, ticket, document } of chain.above) {
    store.holdings.record(tx, id, ticket, withoutParents(document));
    refuseUnless(
      store.holdings.find(id)!.closedAt === undefined,
      "REVOKED",
      `the holding ${id.slice(0, 12)}… above the ticket was closed: nothing beneath it is redeemed any more; ask for a new ticket`,
    );
  }
}

/** Notes that a slice ticket is used, so that it never is again. Throws ALREADY_REDEEMED if it was. */
export function spend(
  store: Store,
  tx: Tx,
  { above, leaf }: Chain<SliceTicket>,
  into: { lease: string; agent: KeyName; spentBy: "redemption" | "renewal" },
): void {
  const spent = store.tickets.spend(tx, {
    id: leaf.id,
    principal: leaf.ticket.principal,
    document: withoutParents(leaf.document),
    parent: above.at(-1)!.id,
    keepUntil: leaf.ticket.validity.end + 2 * CLOCK_SLACK,
    ...into,
  });
  refuseUnless(spent, "ALREADY_REDEEMED", "the ticket was used already; ask for a new one");
}
