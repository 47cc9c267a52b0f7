import type { KeyName } from "#shared/identity/key.ts";
import { CLOCK_SLACK, type Instant } from "#shared/model/time.ts";
import { MAX_LISTED_BENEATH, type StatedTicket, sealStatement } from "#shared/wire/statement-document.ts";
import type { Revocations } from "../revocation/revocations.ts";
import { type CancellationDeps, leasesBeneath } from "./cancellation.ts";
import { type PresentedTicket, presentedTicket, refuseMoreThanOneStatement } from "./presented-ticket.ts";

export type StatementDeps = CancellationDeps & { readonly revocations: Pick<Revocations, "isChainRevoked"> };

export type StatementRequest = { readonly peer: KeyName; readonly tickets: readonly string[] };

/**
 * Says under signature how tickets and holdings stand, and changes nothing. For agents that hold their part of this
 * node from another agent: the node reports by itself to the agents of its configuration alone.
 */
export function stateTickets(deps: StatementDeps, request: StatementRequest): string {
  const { identity, time } = deps;
  refuseMoreThanOneStatement(request.tickets);
  const now = time.sureNow();
  const presented = request.tickets.map((text) => presentedTicket(deps, text, request.peer));
  let listed = 0;
  const tickets = presented.map((ticket) => {
    const stated = stateOf(deps, ticket, now, MAX_LISTED_BENEATH - listed);
    listed += stated.beneath?.tickets.length ?? 0;
    return stated;
  });
  return sealStatement({ node: identity.public.name, at: now, tickets }, identity);
}

function stateOf(
  { store, revocations }: StatementDeps,
  { chain, agent }: PresentedTicket,
  now: Instant,
  mayList: number,
): StatedTicket {
  const { id, ticket } = chain.leaf;
  if (ticket.kind === "holding") {
    // Where one above is closed, or whoever holds it is revoked, nobody else may tell whoever holds this one.
    const closed = [...chain.above, chain.leaf].some(
      (link) => store.holdings.find(link.id)?.closedAt !== undefined,
    );
    const isOver = closed || revocations.isChainRevoked(chain, agent);
    return { id, state: isOver ? "cancelled" : "outstanding", beneath: leasesBeneath(store, id, mayList) };
  }
  const spent = store.tickets.find(id);
  if (!spent)
    return { id, state: now > ticket.validity.end + 2 * CLOCK_SLACK ? "unredeemed" : "outstanding" };
  if (spent.lease === undefined) return { id, state: "cancelled" };
  return { id, state: store.leases.bySerial(spent.lease) ? "leased" : "ended" };
}
