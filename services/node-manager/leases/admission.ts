import { type Charge, type Limit, type Shortfall, shortfall } from "#shared/model/account.ts";
import { Fault } from "#shared/model/errors.ts";
import { clash, type PortRange } from "#shared/model/ports.ts";
import { type Share, unitOf } from "#shared/model/resources.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import { formatInstant, type Instant, type Term } from "#shared/model/time.ts";

/** What a redemption or a renewal asks for. */
export type Demand = { readonly charge: Charge; readonly ports: readonly PortRange[] };

/** One account above a ticket: what its holdings allow and what counts against it (WIRE.md §1, Accounts). */
export type Account = {
  /** The holding above the ticket, for the refusal's sentence. */
  readonly holding: DocumentId;
  readonly limits: readonly Limit[];
  readonly charges: readonly Charge[];
};

/** How the node stands in the time a demand is for. */
export type Standing = {
  readonly capacity: Share;
  /** Everything leased or being leased. */
  readonly charges: readonly Charge[];
  /** Of every holding above the ticket, the root's first. */
  readonly accounts: readonly Account[];
  /** The node's own ports and those its owner keeps. */
  readonly reserved: readonly PortRange[];
  /** Ports other leases have in that time. */
  readonly taken: readonly PortRange[];
};

const FOREVER: Term = { start: Number.MIN_SAFE_INTEGER, end: Number.MAX_SAFE_INTEGER };

/**
 * Throws NO_CAPACITY, saying of what and whose there is not enough, unless the demand fits at every instant: the node
 * (RELIABILITY I1), every account above the ticket (I15), and ports, which nobody shares.
 */
export function checkAdmission({ charge, ports }: Demand, standing: Standing): void {
  const whole: Limit = { share: standing.capacity, during: FOREVER };
  const short = shortfall([whole], standing.charges, charge);
  if (short) throw noCapacity("this node's capacity", short);
  for (const { holding, limits, charges } of standing.accounts) {
    const missing = shortfall(limits, charges, charge);
    if (missing) throw noCapacity(`the holding ${holding.slice(0, 12)}…`, missing);
  }
  const reserved = clash(ports, standing.reserved);
  if (reserved) throw noPort(reserved, "is kept for the node itself");
  const taken = clash(ports, standing.taken);
  if (taken) throw noPort(taken, "belongs to another lease");
}

function noCapacity(whose: string, { at, dimension, asked, free }: Shortfall): Fault {
  return new Fault(
    "NO_CAPACITY",
    `${whose} has ${free} ${unitOf(dimension)} left at ${when(at)}, and ${asked} are asked for; take a ticket for less, or for another node`,
  );
}

function noPort({ protocol, from, to }: PortRange, why: string): Fault {
  const ports = from === to ? `port ${from}` : `a port of ${from} to ${to}`;
  return new Fault("NO_CAPACITY", `${protocol} ${ports} ${why}; take a ticket for other ports`);
}

function when(at: Instant): string {
  return `${formatInstant(at)} UTC`;
}
