import { randomBytes } from "node:crypto";
import type { KeyName } from "#shared/identity/key.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import type { Peer } from "#shared/identity/tls.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Lease, SshAccess } from "#shared/model/lease.ts";
import { shareOfOne } from "#shared/model/resources.ts";
import type { SliceTicket } from "#shared/model/ticket.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { type Chain, checkTimes, openSliceTicketAtAnyTime } from "#shared/wire/chain.ts";
import { sealLease } from "#shared/wire/lease-document.ts";
import { byDeadline, type Deadlines } from "../deadline.ts";
import { chooseEngine, type EngineChoice, type Engines } from "../engines/engines.ts";
import type { RootsOfNode } from "../holdings/roots.ts";
import type { NodeTime } from "../node-time.ts";
import type { Revocations } from "../revocation/revocations.ts";
import type { Slivers } from "../slivers/slivers.ts";
import type { SshKey } from "../ssh/gateway.ts";
import type { Tx } from "../store/database.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";
import { checkAdmission } from "./admission.ts";
import { checkNotBanned } from "./bans.ts";
import { addKeyTo, hasKey } from "./lease-keys.ts";
import { checkNotExcluded } from "./members.ts";
import { checkMember } from "./ownership.ts";
import { type NodeLimits, START_JITTER, standingOf } from "./standing.ts";
import { checkPrincipal, recordHoldings, spend } from "./ticket-use.ts";

/** A ticket presented by whoever is at the other end, perhaps with the first SSH key of its sliver. */
export type RedemptionRequest = { readonly peer: Peer; readonly ticketdata: string; readonly key?: SshKey };

export type RedemptionDeps = {
  readonly store: Store;
  readonly roots: RootsOfNode;
  readonly revocations: Revocations;
  readonly identity: SigningKey;
  readonly limits: NodeLimits;
  readonly engines: Engines;
  readonly slivers: Slivers;
  readonly time: NodeTime;
  readonly deadlines: Deadlines;
  /** How a slice's sliver is reached. */
  readonly sshOf: (slice: string) => SshAccess;
};

/**
 * Turns a ticket into a lease and its machine (the paper's newlease), in the order of writing of RELIABILITY.md: the
 * promise is durable, with its full signed bytes, before anything is made; only then the engine makes the sliver; only
 * when that is recorded too is anything answered. The same ticket again gets the same lease, while it lives.
 */
export async function redeem(deps: RedemptionDeps, request: RedemptionRequest): Promise<string> {
  const chain = openSliceTicketAtAnyTime(request.ticketdata, deps.roots.anchor);
  const agent = deps.roots.agentOf(chain);
  checkPrincipal(chain.leaf.ticket, request.peer.name);
  deps.revocations.refuse(chain, agent);
  const known = livingLeaseOf(deps, chain);
  if (known) checkMember(deps.store, known, request.peer.name);
  const lease = known ?? promiseLease(deps, request, chain, agent);
  if (lease.state === "creating") await made(deps, lease);
  const leased = deps.store.leases.bySerial(lease.serial);
  refuseUnless(
    leased?.state === "live",
    "ALREADY_REDEEMED",
    "the lease was deleted while this call waited for it",
  );
  if (request.key) letIn(deps, leased, request.peer.name, request.key);
  return leased.document;
}

/**
 * The lease this very ticket became, while it lives. Throws ALREADY_REDEEMED when it is spent in any other way, and
 * BUSY while the remains of a failed attempt are still being removed.
 */
function livingLeaseOf({ store, time }: RedemptionDeps, chain: Chain<SliceTicket>): StoredLease | undefined {
  const spent = store.tickets.find(chain.leaf.id);
  if (!spent) return undefined;
  const lease = spent.lease === undefined ? undefined : store.leases.bySerial(spent.lease);
  switch (spent.spentBy) {
    case "cancellation":
      throw new Fault("ALREADY_REDEEMED", "the ticket was cancelled here; ask for a new one");
    case "renewal":
      throw new Fault("ALREADY_REDEEMED", "the ticket extended a lease already; ask for a new one");
    case "redemption":
      break;
    default:
      spent.spentBy satisfies never;
  }
  refuseUnless(
    lease?.state !== "undoing",
    "BUSY",
    "the sliver could not be made and its remains are being removed; redeem the ticket again in a moment",
  );
  const lives =
    lease && lease.state !== "deleting" && (lease.state === "creating" || lease.term.end > time.now());
  refuseUnless(
    lives,
    "ALREADY_REDEEMED",
    "the ticket was redeemed and its lease has ended; ask for a new one",
  );
  return lease;
}

/** Transaction 1: everything is checked and the promise is on the disk, or nothing happened. */
function promiseLease(
  deps: RedemptionDeps,
  { peer, key }: RedemptionRequest,
  chain: Chain<SliceTicket>,
  agent: KeyName,
): StoredLease {
  const { store, time } = deps;
  const now = time.sureNow();
  const { ticket } = chain.leaf;
  checkTimes(chain, now);
  checkStart(ticket.term.start, now);
  deps.roots.checkGranted(ticket, agent);
  const choice = chooseEngine(deps.engines, ticket);
  return store.transaction((tx) => {
    checkNotBanned(store, { slice: ticket.slice, principals: [ticket.principal] });
    checkNotExcluded(store, chain, agent);
    checkNameIsFree(store, ticket);
    recordHoldings(store, tx, chain);
    const during = { start: now, end: ticket.renewableUntil };
    const holdings = chain.above.map(({ id }) => id);
    checkAdmission(
      { charge: { share: shareOfOne(ticket.resources), during }, ports: ticket.ports },
      standingOf(store, deps.limits, { during, holdings, wantsPorts: ticket.ports.length > 0 }),
    );
    const lease = newLease(deps, chain, peer, choice, now);
    if (!store.leases.insert(tx, lease)) throw sliceExists(ticket.slice);
    for (const id of holdings)
      store.charges.add(tx, lease.serial, id, { ...during, start: lease.chargedFrom });
    spend(store, tx, chain, { lease: lease.serial, agent, spentBy: "redemption" });
    store.members.add(tx, lease.serial, peer.name, now);
    if (key) store.keys.add(tx, lease.serial, key, { initial: true, by: peer.name, now });
    audit(deps, tx, peer.name, "lease promised", lease);
    store.recordTime(tx, now);
    return lease;
  });
}

/** A start up to ten seconds ahead is two honest clocks disagreeing; a later one is a reservation, not made yet. */
function checkStart(start: Instant, now: Instant): void {
  refuseUnless(
    start <= now + START_JITTER,
    "NOT_YET_VALID",
    `the ticket's term starts at ${formatInstant(start)} UTC; redeem it then`,
  );
}

/** A name belongs to the members of one lease here. */
function checkNameIsFree({ leases, members }: Store, { slice, principal }: SliceTicket): void {
  const other = leases.ofSlice(slice);
  if (!other) return;
  refuseUnless(
    members.has(other.serial, principal),
    "NOT_PRINCIPAL",
    `the name ${slice} belongs to another principal on this node while its lease lasts; choose another name`,
  );
  refuseUnless(
    other.state === "creating" || other.state === "live",
    "BUSY",
    `the sliver of ${slice} is being removed; redeem the ticket again in a moment`,
  );
  throw sliceExists(slice);
}

/** v0.5's callers match "already exists". */
function sliceExists(slice: string): Fault {
  return new Fault(
    "SLICE_EXISTS",
    `the slice ${slice} already exists on this node; renew its lease, or delete it first. The ticket was not used`,
  );
}

function newLease(
  { identity, sshOf }: RedemptionDeps,
  { leaf: { id, ticket } }: Chain<SliceTicket>,
  peer: Peer,
  choice: EngineChoice,
  now: Instant,
): StoredLease {
  const { node, principal, ip, slice, term, renewableUntil, resources, ceilings, ports, administrative } =
    ticket;
  const lease: Lease = {
    serial: randomBytes(16).toString("hex"),
    ticket: id,
    ...{ node, principal, principleSha1: peer.sha1, ip, slice, term, renewableUntil },
    ...{ resources, ceilings, engine: choice.engine, image: choice.image, ports, administrative },
    sliver: randomBytes(8).toString("hex"),
    ssh: sshOf(slice),
  };
  return {
    ...{ serial: lease.serial, slice, principal, sliver: lease.sliver, state: "creating" },
    ...{ engine: choice.engine, term, renewableUntil, resources },
    originalLength: term.end - term.start,
    chargedFrom: Math.min(now, term.start),
    document: sealLease(lease, identity),
  };
}

async function made({ slivers, deadlines }: RedemptionDeps, { serial, slice }: StoredLease): Promise<void> {
  const late = () =>
    new Fault("BUSY", `the sliver of ${slice} is still being made; redeem the ticket again in a moment`);
  await byDeadline(slivers.make(serial), { withinMs: deadlines.answerMs, late });
}

/** The key that came with a repeated call, if it was not there yet. */
function letIn({ store, time }: RedemptionDeps, lease: StoredLease, peer: KeyName, key: SshKey): void {
  if (hasKey(store, lease.serial, key)) return;
  store.transaction((tx) =>
    addKeyTo(store, tx, { lease, key, peer, initial: true, at: time.milliseconds() }),
  );
}

function audit(
  { store, time }: RedemptionDeps,
  tx: Tx,
  peer: KeyName,
  action: string,
  lease: StoredLease,
): void {
  const { slice, serial } = lease;
  store.audit.record(tx, {
    ...{ atMilliseconds: time.milliseconds(), peer, action, outcome: "done", slice, lease: serial },
  });
}
