import type { KeyName } from "#shared/identity/key.ts";
import { type EngineAbilities, lacks, missingAbility } from "#shared/model/ability.ts";
import { FIRST_UNPRIVILEGED_PORT, formatPorts } from "#shared/model/ports.ts";
import {
  type Ceilings,
  combine,
  exceeds,
  SHARE_DIMENSIONS,
  type Share,
  shareOfOne,
  unitOf,
} from "#shared/model/resources.ts";
import type { Tag, Whereabouts } from "#shared/model/slice-description.ts";
import type { DocumentId, EngineName } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Order } from "./order.ts";
import { lackingPorts, type OfferedPorts } from "./port-choice.ts";

/** A holding that a ticket of an order could be split from: it covers the order's term and allows all it asks for. */
export type OfferedHolding = {
  readonly id: DocumentId;
  /** The ticket key it was given to, which signs what is split from it. */
  readonly principal: KeyName;
  readonly validTo: Instant;
  readonly termEnd: Instant;
  readonly resources: Share;
  /** Left of its account, overbooking included, at every instant of the time a ticket would count for. */
  readonly free: Share;
  readonly ceilings: Ceilings;
  readonly engine?: EngineName;
  readonly image?: string;
  /** Where the order leaves ports to the agent. */
  readonly freePorts?: OfferedPorts;
  /** What stands in the header of a ticket split from it: the documents above, root first. */
  readonly lineage: readonly string[];
};

/** What one node could give to an order now. */
export type Offer = {
  readonly node: KeyName;
  readonly ip: string;
  readonly site?: string;
  readonly country?: string;
  readonly region?: string;
  readonly tags: readonly string[];
  readonly engines: readonly string[];
  readonly images: readonly string[];
  readonly suspended: boolean;
  readonly heard?: Instant;
  /** Whether the slice has a ticket there that counts. */
  readonly held: boolean;
  /** Whether another slice's ticket there has one of the ports asked for, at any time this one would count. */
  readonly portsTaken: boolean;
  /** Whether the node keeps one of the ports asked for. */
  readonly portsKept: boolean;
  /** What each of its engines says its slivers have. */
  readonly abilities: readonly EngineAbilities[];
  /** The best one, where there is one. */
  readonly holding?: OfferedHolding;
};

/** An offer that can be taken. */
export type Fit = Offer & { readonly holding: OfferedHolding };

/** Why a node gets no ticket: a clause that follows its address. */
export type Misfit = { readonly ip: string; readonly reason: string };

/** A node that was not heard from for this long is not chosen for those who leave the choice to the agent. */
export const SILENT_SECONDS = 300;

/** Why this offer cannot be taken, or undefined when it can. Changes nothing about the account: that is checked again. */
export function misfit(offer: Offer, order: Order, now: Instant): string | undefined {
  return (
    (offer.suspended ? "is suspended" : undefined) ??
    elsewhere(offer, order.where) ??
    (order.among.kind === "any" ? unchosen(offer, now) : undefined) ??
    unlike(offer, order) ??
    tooSmall(offer.holding, order)
  );
}

function elsewhere(offer: Offer, where: Whereabouts): string | undefined {
  const missing = where.tags.find((tag) => !carries(offer, tag));
  if (missing) return `is not ${missing.name} ${missing.value}`;
  if (named(where.avoid, offer)) return "is to be avoided";
  if (where.nodes.length > 0 && !named(where.nodes, offer)) return "is not among the nodes asked for";
  return where.distinctSites && !offer.site ? "is at no known site" : undefined;
}

/** Reasons against a node that nobody asked for by name. */
function unchosen(offer: Offer, now: Instant): string | undefined {
  if (offer.held) return "has the slice already";
  if (offer.heard === undefined || now - offer.heard > SILENT_SECONDS) return "has been silent for minutes";
  return undefined;
}

function unlike(offer: Offer, order: Order): string | undefined {
  if (order.engine && !offer.engines.includes(order.engine)) return `does not run ${order.engine}`;
  const missing = missingAbility(offer.abilities, order);
  if (missing) return lacks(missing);
  if (offer.portsKept) return "keeps one of the ports for itself";
  if (offer.portsTaken) return "has given one of the ports to another slice";
  if (order.image && !offer.images.includes(order.image)) return `does not have the image ${order.image}`;
  return undefined;
}

function tooSmall(holding: OfferedHolding | undefined, order: Order): string | undefined {
  if (!holding) return unheld(order);
  const lacking = lackingPorts(holding.freePorts, order.anyPorts);
  if (lacking) return `has fewer than the ${order.anyPorts?.[lacking]} ${lacking} ports asked for left`;
  const demand = shareOfOne(order.resources);
  const most = combine(holding.free, holding.resources, Math.min);
  const short = exceeds(demand, most);
  if (!short) return undefined;
  const left = Math.max(0, most[short]);
  return `has ${left} of ${demand[short]} ${unitOf(short)} left under holding ${holding.id.slice(0, 12)}`;
}

function unheld(order: Order): string {
  const low = order.ports.find(({ from }) => from < FIRST_UNPRIVILEGED_PORT);
  if (low)
    return `is not held with ${formatPorts(low)}, a privileged port (below ${FIRST_UNPRIVILEGED_PORT})`;
  return "is held for no such term, engine, image, ports, ceilings or capabilities";
}

/** A tag is looked for in what an advertisement says of the node. */
function carries(offer: Offer, { name, value }: Tag): boolean {
  switch (name) {
    case "site":
    case "country":
    case "region":
      return offer[name] === value;
    default:
      return offer.tags.includes(`${name}=${value}`);
  }
}

function named(list: readonly string[], offer: Offer): boolean {
  return list.includes(offer.node) || list.includes(offer.ip);
}

/** The offers that fit, best first: as they come where the caller listed nodes, else the least used first. */
export function preferred(fits: readonly Fit[], order: Order): readonly Fit[] {
  const ranked = order.among.kind === "any" ? fits.toSorted((a, b) => room(b) - room(a)) : fits;
  if (!order.where.distinctSites) return ranked;
  const sites = new Set<string | undefined>();
  return ranked.filter(({ site }) => !sites.has(site) && sites.add(site));
}

/** The part of its scarcest resource that is left. */
function room({ holding: { free, resources } }: Fit): number {
  return Math.min(...SHARE_DIMENSIONS.filter((d) => resources[d] > 0).map((d) => free[d] / resources[d]));
}
