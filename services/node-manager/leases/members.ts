import type { KeyName } from "#shared/identity/key.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { SliceTicket } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Chain } from "#shared/wire/chain.ts";
import type { Tx } from "../store/database.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";

/**
 * Whose word a slice ticket is: the agent whose root is above it, and whoever holds the holdings below that root, down to
 * the one who issued it. Two tickets of one slice may be told of as one slice only where all of these are the same: names
 * belong to principals at each issuer by itself, and whoever holds a part of an agent's holding must not be able to name
 * itself a member of that agent's slices.
 */
type Issuer = string;

function issuerOf(agent: KeyName, { above }: Chain<SliceTicket>): Issuer {
  return [agent, ...above.slice(1).map(({ ticket }) => ticket.principal)].join("/");
}

/** Those whose tickets the lease came from, or was extended by. A holding that can't matter any more may be forgotten. */
function issuersOf({ tickets, holdings, roots }: Store, { serial }: StoredLease): Set<Issuer> {
  const issuers = new Set<Issuer>();
  for (const { agent, parent } of tickets.ofLease(serial)) {
    const holders: KeyName[] = [];
    let holding = parent === undefined ? undefined : holdings.find(parent);
    while (holding?.parent !== undefined) {
      holders.unshift(holding.principal);
      holding = holdings.find(holding.parent);
    }
    if (agent !== undefined && holding && roots.find(holding.id)) issuers.add([agent, ...holders].join("/"));
  }
  return issuers;
}

/** More members than any slice has, few enough that nobody fills the node's store with them. */
const MAX_MEMBERS = 64;

/**
 * Makes whom a ticket names a member of a lease: its issuer's word is what the lease itself came from, so it is this
 * issuer's to say whose the slice is (docs/decisions/0027). Throws BAD_CHAIN for anybody else's ticket, NOT_PRINCIPAL for
 * whom the agent has put out since, and QUOTA.
 */
export function join(
  store: Store,
  tx: Tx,
  lease: StoredLease,
  { chain, agent, at }: { readonly chain: Chain<SliceTicket>; readonly agent: KeyName; readonly at: Instant },
): void {
  const { principal } = chain.leaf.ticket;
  checkNotExcluded(store, chain, agent);
  refuseUnless(
    issuersOf(store, lease).has(issuerOf(agent, chain)),
    "BAD_CHAIN",
    `the ticket is not from whom the lease of ${lease.slice} came from: only that agent says who is a member; ask it for a ticket`,
  );
  refuseUnless(
    store.members.count(lease.serial) < MAX_MEMBERS,
    "QUOTA",
    `a slice has at most ${MAX_MEMBERS} members on a node`,
  );
  store.members.add(tx, lease.serial, principal, at);
}

/** Throws NOT_PRINCIPAL for whom the agent that issued the ticket has put out of its slice, whenever it issued it. */
export function checkNotExcluded({ members }: Store, chain: Chain<SliceTicket>, agent: KeyName): void {
  const { slice, principal } = chain.leaf.ticket;
  const direct = chain.above.length === 1;
  refuseUnless(
    !(direct && members.isExcluded({ agent, slice, principal })),
    "NOT_PRINCIPAL",
    `you are a member of ${slice} no more, as its agent says; ask the agent's administrator`,
  );
}

/** One change of an agent's slices: who is in, and who is out. */
export type MembershipChange = {
  readonly slice: string;
  readonly principal: KeyName;
  readonly member: boolean;
};

export type MembershipNews = {
  readonly agent: KeyName;
  readonly changes: readonly MembershipChange[];
  /** Up to which of its changes these are. */
  readonly upTo: number;
};

export type MembershipDeps = {
  readonly store: Store;
  readonly time: { milliseconds(): number };
  /** Somebody was put out: whoever entered with a key of theirs may not stay. */
  readonly onFewerKeys: (slice: string) => void;
};

/**
 * Does what an agent says of the members of its slices. Who is out is put out of the leases that came from that agent
 * itself, with the keys they let in, and joins none of them; who is in again may join with a ticket.
 */
export function heedMemberships(deps: MembershipDeps, { agent, changes, upTo }: MembershipNews): void {
  const { store, time } = deps;
  const left: string[] = [];
  store.transaction((tx) => {
    for (const { slice, principal, member } of changes) {
      if (member) store.members.readmit(tx, { agent, slice, principal });
      else store.members.exclude(tx, { agent, slice, principal });
      const lease = store.leases.ofSlice(slice);
      if (member || !lease || !issuersOf(store, lease).has(agent)) continue;
      if (!store.members.remove(tx, lease.serial, principal)) continue;
      left.push(slice);
      const at = { atMilliseconds: time.milliseconds(), action: "member put out", outcome: "done" };
      store.audit.record(tx, { ...at, peer: agent, slice, lease: lease.serial, note: principal });
    }
    store.members.setMark(tx, agent, upTo);
  });
  for (const slice of left) deps.onFewerKeys(slice);
}
