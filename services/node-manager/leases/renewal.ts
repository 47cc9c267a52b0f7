import { isDeepStrictEqual } from "node:util";
import type { KeyName } from "#shared/identity/key.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import type { Peer } from "#shared/identity/tls.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { Lease } from "#shared/model/lease.ts";
import { shareOfOne } from "#shared/model/resources.ts";
import type { SliceTicket } from "#shared/model/ticket.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { type Chain, checkTimes, openSliceTicketAtAnyTime } from "#shared/wire/chain.ts";
import { sealLease } from "#shared/wire/lease-document.ts";
import type { Replay } from "#shared/wire/xmlrpc/replay.ts";
import type { RootsOfNode } from "../holdings/roots.ts";
import type { NodeTime } from "../node-time.ts";
import type { Revocations } from "../revocation/revocations.ts";
import type { Tx } from "../store/database.ts";
import { leaseOf, type StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";
import { checkAdmission } from "./admission.ts";
import { checkNotBanned } from "./bans.ts";
import { checkNotExcluded, join } from "./members.ts";
import { checkMember, findLease, type LeaseReference, noSlice } from "./ownership.ts";
import { type NodeLimits, standingOf } from "./standing.ts";
import { checkPrincipal, recordHoldings, spend } from "./ticket-use.ts";

export type RenewalDeps = {
  readonly store: Store;
  readonly roots: RootsOfNode;
  readonly revocations: Revocations;
  readonly identity: SigningKey;
  readonly limits: NodeLimits;
  readonly time: NodeTime;
  /** Something is in the outbox. */
  readonly onNews: () => void;
};

export type RenewalRequest = {
  readonly peer: Peer;
  readonly of: LeaseReference;
  /** The end that is wished for; without it the lease's original length is added. */
  readonly end?: Instant;
  /** A further ticket, for going beyond what the first one allowed. */
  readonly ticketdata?: string;
  readonly replay?: Replay;
};

/**
 * Moves the end of a lease and returns the lease as it is then; one that can't be moved further comes back unchanged.
 * Alone it never passes what the ticket allowed (`renewable_until_time`), which was counted when the lease was made,
 * so nobody else was promised that time. With a further ticket that one is redeemed like any other, for the time from
 * the old end on. Serial, sliver and everything in it stay.
 */
export function renew(deps: RenewalDeps, request: RenewalRequest): string {
  const { store, time } = deps;
  const now = time.sureNow();
  return store.transaction((tx) => {
    const lease = findLease(store, request.of);
    if (lease.state === "deleting") throw noSlice(lease.slice);
    // Who is no member yet has to bring the ticket that makes one.
    if (request.ticketdata === undefined) checkMember(store, lease, request.peer.name);
    checkRenewable(lease, now);
    const principals = [lease.principal, request.peer.name];
    checkNotBanned(store, { slice: lease.slice, principals });
    deps.revocations.refuseLease(lease);
    const renewed = extend(deps, tx, lease, request, now);
    record(deps, tx, lease, request.peer.name, "lease renewed", `until ${formatInstant(renewed.term.end)}`);
    store.recordTime(tx, now);
    request.replay?.remember(renewed.document, renewed.renewableUntil, (kept) =>
      store.replies.keep(tx, kept),
    );
    return renewed.document;
  });
}

function record(
  { store, time }: RenewalDeps,
  tx: Tx,
  { slice, serial: lease }: StoredLease,
  peer: KeyName,
  action: string,
  note?: string,
): void {
  const at = { atMilliseconds: time.milliseconds(), outcome: "done" };
  store.audit.record(tx, { ...at, peer, action, slice, lease, ...(note !== undefined && { note }) });
}

function checkRenewable(lease: StoredLease, now: Instant): void {
  refuseUnless(
    lease.state === "live",
    "BUSY",
    `the sliver of ${lease.slice} is still being made; ask again in a moment`,
  );
  refuseUnless(
    now < lease.term.end,
    "EXPIRED",
    `the lease of ${lease.slice} ended at ${formatInstant(lease.term.end)} UTC; redeem a new ticket`,
  );
}

function extend(
  deps: RenewalDeps,
  tx: Tx,
  lease: StoredLease,
  request: RenewalRequest,
  now: Instant,
): StoredLease {
  if (request.ticketdata === undefined) return extendAlone(deps, tx, lease, request.end);
  const chain = openSliceTicketAtAnyTime(request.ticketdata, deps.roots.anchor);
  const agent = deps.roots.agentOf(chain);
  const { ticket } = chain.leaf;
  checkPrincipal(ticket, request.peer.name);
  deps.revocations.refuse(chain, agent);
  refuseUnless(
    !deps.store.tickets.find(chain.leaf.id),
    "ALREADY_REDEEMED",
    "the ticket was used already; ask for a new one",
  );
  checkTimes(chain, now);
  deps.roots.checkGranted(ticket, agent);
  checkSlice(lease, ticket);
  checkNotExcluded(deps.store, chain, agent);
  checkSeamless(lease, ticket);
  const needed = ticket.renewableUntil > lease.renewableUntil;
  const member = deps.store.members.has(lease.serial, request.peer.name);
  // What only says who is a member, and takes no time, may be a ticket for next to nothing: also where a node is full.
  if (needed || member) checkSame(leaseOf(lease), ticket);
  if (!member) {
    join(deps.store, tx, lease, { chain, agent, at: now });
    record(deps, tx, lease, request.peer.name, "member joined");
  }
  // A ticket that reaches no further than the lease may go anyway is not needed, and so not spent.
  if (!needed) {
    return extendAlone(deps, tx, lease, request.end ?? ticket.term.end);
  }
  const end = Math.min(request.end ?? ticket.term.end, ticket.renewableUntil);
  if (end <= lease.term.end) return lease;
  charge(deps, tx, lease, chain);
  spend(deps.store, tx, chain, { lease: lease.serial, agent, spentBy: "renewal" });
  deps.store.outbox.put(tx, agent, chain.leaf.id, "redeemed", now);
  deps.onNews();
  return write(deps, tx, lease, { end, renewableUntil: ticket.renewableUntil });
}

function extendAlone(deps: RenewalDeps, tx: Tx, lease: StoredLease, wish: Instant | undefined): StoredLease {
  const wanted = wish ?? lease.term.end + lease.originalLength;
  const end = Math.min(wanted, lease.renewableUntil);
  if (end <= lease.term.end) return lease;
  return write(deps, tx, lease, { end, renewableUntil: lease.renewableUntil });
}

function checkSlice({ slice }: StoredLease, ticket: SliceTicket): void {
  refuseUnless(
    slice === ticket.slice,
    "BAD_CHAIN",
    "the ticket's slice is not that of the lease; renew with a ticket for the same",
  );
}

/** Everything but time stays as it is: who wants something else redeems a ticket for another slice. */
function checkSame(lease: Lease, ticket: SliceTicket): void {
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ["engine", lease.engine, ticket.engine ?? lease.engine],
    ["image", lease.image, ticket.image ?? lease.image],
    ["ports", new Set(lease.ports), new Set(ticket.ports)],
    ["administrative", new Set(lease.administrative), new Set(ticket.administrative)],
    ["resources", lease.resources, ticket.resources],
    ["ceilings", lease.ceilings, ticket.ceilings],
  ];
  const differing = rows.find(([, ours, theirs]) => !isDeepStrictEqual(ours, theirs));
  refuseUnless(
    !differing,
    "BAD_CHAIN",
    `the ticket's ${differing?.[0]} is not that of the lease; renew with a ticket for the same`,
  );
}

function checkSeamless(lease: StoredLease, { term }: SliceTicket): void {
  refuseUnless(
    term.start <= lease.term.end,
    "NOT_YET_VALID",
    `the ticket starts at ${formatInstant(term.start)} UTC, after the lease's end; renew with one that starts before it`,
  );
}

/** From the old end on, the lease counts under the new ticket alone. */
function charge({ store, limits }: RenewalDeps, tx: Tx, lease: StoredLease, chain: Chain<SliceTicket>): void {
  const { ticket } = chain.leaf;
  const during = { start: lease.term.end, end: ticket.renewableUntil };
  const holdings = chain.above.map(({ id }) => id);
  recordHoldings(store, tx, chain);
  store.charges.cut(tx, lease.serial, during.start);
  checkAdmission(
    { charge: { share: shareOfOne(ticket.resources), during }, ports: ticket.ports },
    standingOf(store, limits, {
      during,
      holdings,
      except: lease.serial,
      wantsPorts: ticket.ports.length > 0,
    }),
  );
  for (const id of holdings) store.charges.add(tx, lease.serial, id, during);
}

function write(
  { store, identity }: RenewalDeps,
  tx: Tx,
  lease: StoredLease,
  { end, renewableUntil }: { end: Instant; renewableUntil: Instant },
): StoredLease {
  const term = { start: lease.term.start, end };
  const document = sealLease({ ...leaseOf(lease), term, renewableUntil }, identity);
  store.leases.extend(tx, lease.serial, end, renewableUntil, document);
  return { ...lease, term, renewableUntil, document };
}
