import type { KeyName } from "#shared/identity/key.ts";
import { CEILING_DIMENSIONS, type Ceilings } from "#shared/model/resources.ts";
import type { SliceTicket } from "#shared/model/ticket.ts";
import type { Instant, Term } from "#shared/model/time.ts";
import type { Fit } from "./offer.ts";
import type { Order } from "./order.ts";
import { portsOf } from "./port-choice.ts";

/** What every ticket of one order has in common. */
export type TicketTerms = {
  readonly principal: { readonly name: KeyName; readonly sha1: string };
  readonly now: Instant;
  readonly term: Term;
  /** How far its node may renew it, unless its holding ends before. */
  readonly renewableUntil: Instant;
  /** The factor the agent declares for nodes that have none of their own, per mille. */
  readonly overbooking: number;
};

/** How long a ticket waits to be redeemed (WIRE.md §1). */
const REDEEMABLE_SECONDS = 3600;

/** Splits a slice ticket from a holding, within it in every element (WIRE.md §1, "child against parent"). */
export function splitTicket(fit: Fit, order: Order, terms: TicketTerms, serial: string): SliceTicket {
  const { holding } = fit;
  return {
    kind: "slice",
    serial,
    parent: holding.id,
    issuer: holding.principal,
    principal: terms.principal.name,
    principleSha1: terms.principal.sha1,
    node: fit.node,
    ip: fit.ip,
    slice: order.slice,
    validity: {
      start: terms.now,
      end: Math.min(terms.now + REDEEMABLE_SECONDS, terms.term.end, holding.validTo),
    },
    term: terms.term,
    renewableUntil: Math.min(terms.renewableUntil, holding.termEnd),
    resources: order.resources,
    ceilings: ceilingsUnder(holding.ceilings, order.ceilings),
    engine: order.engine ?? holding.engine,
    image: order.image ?? holding.image,
    ports: portsOf(order, holding.freePorts),
    administrative: order.administrative,
    overbooking: fit.overbooking ?? terms.overbooking,
  };
}

/** What was asked for; where nothing was, what the holding says. */
function ceilingsUnder(holding: Ceilings, asked: Ceilings): Ceilings {
  const named = CEILING_DIMENSIONS.map((d) => [d, asked[d] ?? holding[d]] as const);
  return Object.fromEntries(named.filter(([, ceiling]) => ceiling !== undefined));
}
