import type { KeyName } from "#shared/identity/key.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import type { SliceTicket } from "#shared/model/ticket.ts";
import { CLOCK_SLACK, type Instant } from "#shared/model/time.ts";
import type { Chain } from "#shared/wire/chain.ts";
import { withoutParents } from "#shared/wire/document.ts";
import {
  type LeasesBeneath,
  MAX_LISTED_BENEATH,
  type StatedTicket,
  sealStatement,
} from "#shared/wire/statement-document.ts";
import type { Replay } from "#shared/wire/xmlrpc/replay.ts";
import type { NodeTime } from "../node-time.ts";
import type { Tx } from "../store/database.ts";
import type { Store } from "../store.ts";
import { type PresentedTicket, presentedTicket, refuseMoreThanOneStatement } from "./presented-ticket.ts";
import type { RootsOfNode } from "./roots.ts";

export type CancellationDeps = {
  readonly store: Store;
  readonly roots: RootsOfNode;
  readonly identity: SigningKey;
  readonly time: NodeTime;
  /** Something is in the outbox. */
  readonly onNews: () => void;
};

export type CancellationRequest = {
  readonly peer: KeyName;
  readonly tickets: readonly string[];
  readonly replay?: Replay;
};

const DAY = 86_400;

/**
 * Makes sure that tickets are never redeemed, and nothing more beneath holdings, and says under signature what became
 * of each: the node's word, on which alone its issuer may free it (WIRE.md §1). What is leased stays leased. All or
 * nothing: one ticket that may not be cancelled refuses the call.
 */
export function cancelTickets(deps: CancellationDeps, request: CancellationRequest): string {
  const { store, identity, time } = deps;
  refuseMoreThanOneStatement(request.tickets);
  const now = time.sureNow();
  const presented = request.tickets.map((text) => presentedTicket(deps, text, request.peer));
  const statement = store.transaction((tx) => {
    let listed = 0;
    const tickets = presented.map(({ chain, agent }) => {
      const stated =
        chain.leaf.ticket.kind === "slice"
          ? cancelTicket(store, tx, { chain: chain as Chain<SliceTicket>, agent }, now)
          : closeHolding(store, tx, { chain, agent }, now, MAX_LISTED_BENEATH - listed);
      listed += stated.beneath?.tickets.length ?? 0;
      return stated;
    });
    const text = sealStatement({ node: identity.public.name, at: now, tickets }, identity);
    store.audit.record(tx, {
      ...{
        atMilliseconds: time.milliseconds(),
        peer: request.peer,
        action: "tickets cancelled",
        outcome: "done",
      },
      note: tickets.map(({ id, state }) => `${id} ${state}`).join(", "),
    });
    store.recordTime(tx, now);
    request.replay?.remember(text, now + DAY, (kept) => store.replies.keep(tx, kept));
    return text;
  });
  deps.onNews();
  return statement;
}

function cancelTicket(
  store: Store,
  tx: Tx,
  { chain, agent }: PresentedTicket<SliceTicket>,
  now: Instant,
): StatedTicket {
  const { id, ticket } = chain.leaf;
  const spent = store.tickets.find(id);
  if (spent?.lease !== undefined)
    return { id, state: store.leases.bySerial(spent.lease) ? "leased" : "ended" };
  if (spent) return { id, state: "cancelled" };
  const keepUntil = ticket.validity.end + 2 * CLOCK_SLACK;
  if (now > keepUntil) {
    store.outbox.put(tx, agent, id, "unredeemed", now);
    return { id, state: "unredeemed" };
  }
  store.tickets.spend(tx, { id, principal: ticket.principal, spentBy: "cancellation", agent, keepUntil });
  store.outbox.put(tx, agent, id, "cancelled", now);
  return { id, state: "cancelled" };
}

function closeHolding(
  store: Store,
  tx: Tx,
  { chain, agent }: PresentedTicket,
  now: Instant,
  mayList: number,
): StatedTicket {
  for (const { id, ticket, document } of [...chain.above, chain.leaf]) {
    if (ticket.kind === "holding") store.holdings.record(tx, id, ticket, withoutParents(document));
  }
  const { id } = chain.leaf;
  if (store.holdings.close(tx, id, now)) store.outbox.put(tx, agent, id, "cancelled", now);
  return { id, state: "cancelled", beneath: leasesBeneath(store, id, mayList) };
}

/** What is leased beneath a holding now. */
export function leasesBeneath(store: Store, holding: string, mayList: number): LeasesBeneath {
  const serials = store.charges.beneath(holding);
  const tickets = serials.flatMap((serial) => store.tickets.ofLease(serial).map(({ id }) => id));
  return { count: serials.length, tickets: tickets.slice(0, mayList) };
}
