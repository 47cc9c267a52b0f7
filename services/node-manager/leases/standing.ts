import type { PortRange } from "#shared/model/ports.ts";
import type { Share } from "#shared/model/resources.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import { overlaps, type Term } from "#shared/model/time.ts";
import { portsOf } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";
import type { Account, Standing } from "./admission.ts";

/** What the node's owner lets be leased at all. */
export type NodeLimits = {
  readonly capacity: Share;
  /** Ports that are never leased, the node's own among them. */
  readonly reservedPorts: readonly PortRange[];
};

/**
 * Seconds by which a ticket's start may lie ahead of this node's clock and still be redeemed
 * (docs/decisions/0004): a charge begins at once, so limits count from that much earlier.
 */
export const START_JITTER = 10;

export type StandingTerms = {
  readonly during: Term;
  /** Those above the ticket, recorded before. */
  readonly holdings: readonly DocumentId[];
  /** A lease that is renewed, whose own time before is no obstacle. */
  readonly except?: string;
  /** Whether the ticket asks for any. */
  readonly wantsPorts: boolean;
};

/**
 * How the node and every account above a ticket stand in `during`, read in the transaction that decides.
 */
export function standingOf(store: Store, limits: NodeLimits, terms: StandingTerms): Standing {
  const { during, holdings, except } = terms;
  return {
    capacity: limits.capacity,
    charges: store.charges.ofNode(during, except),
    accounts: holdings.map((holding) => accountOf(store, holding, during)),
    reserved: limits.reservedPorts,
    taken: terms.wantsPorts ? takenPorts(store, during, except) : [],
  };
}

function accountOf(store: Store, holding: DocumentId, during: Term): Account {
  const { account } = store.holdings.find(holding)!;
  return {
    holding,
    limits: store.holdings.ofAccount(account).map(({ share, term }) => ({
      share,
      during: { start: term.start - START_JITTER, end: term.end },
    })),
    charges: store.charges.ofAccount(account, during),
  };
}

function takenPorts(store: Store, during: Term, except: string | undefined): PortRange[] {
  return store.leases
    .all()
    .filter((lease) => lease.serial !== except)
    .filter((lease) => overlaps({ start: lease.chargedFrom, end: lease.renewableUntil }, during))
    .flatMap(portsOf);
}
