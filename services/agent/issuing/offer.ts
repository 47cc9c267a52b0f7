import type { KeyName } from "#shared/identity/key.ts";
import { type EngineAbilities, lacks, missingAbility } from "#shared/model/ability.ts";
import { type Reason, remedyOfShortage } from "#shared/model/misfit.ts";
import { FIRST_UNPRIVILEGED_PORT, formatPorts, type PortRange } from "#shared/model/ports.ts";
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
import { formatLength, type Instant } from "#shared/model/time.ts";
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
  /** Nothing new is issued for it; what there is goes on. */
  readonly drained: boolean;
  /** The node's own factor of overbooking, per mille; absent: it has the agent's. */
  readonly overbooking?: number;
  readonly heard?: Instant;
  /** As a monitor measured it lately; nobody vouches for it. */
  readonly load?: number;
  /** Whether the slice has a ticket there that counts. */
  readonly held: boolean;
  /** Those of the ports asked for that other slices' tickets have there, at any time this one would count. */
  readonly portsTaken: readonly PortRange[];
  /** Those that the node keeps. */
  readonly portsKept: readonly PortRange[];
  /** What each of its engines says its slivers have. */
  readonly abilities: readonly EngineAbilities[];
  /** The best one, where there is one. */
  readonly holding?: OfferedHolding;
  /** Where there is none though something is held there: what that allows. */
  readonly allowed?: Allowed;
};

/** Which of an order's demands some holding on a node that is valid now meets, each by itself. */
export type Allowed = {
  /** When the last of the holdings ends. */
  readonly until: Instant;
  readonly prefix: boolean;
  readonly engine: boolean;
  readonly image: boolean;
  readonly ports: boolean;
  /** Those of the order's that no holding has. */
  readonly portsLacking: readonly PortRange[];
  readonly capabilities: boolean;
  /** Those of the order's that no holding has. */
  readonly capabilitiesLacking: readonly string[];
  readonly cpuCeiling: boolean;
  readonly egressCeiling: boolean;
};

/** An offer that can be taken. */
export type Fit = Offer & { readonly holding: OfferedHolding };

/**
 * A node that did not report for so long, three times in a row, is silent. It is not chosen for those who leave the choice
 * to the agent.
 */
export const SILENT_SECONDS = 90;

/** Why this offer cannot be taken, or undefined when it can. Changes nothing about the account: that is checked again. */
export function misfit(offer: Offer, order: Order, now: Instant): Reason | undefined {
  return (
    (offer.suspended ? elsewhere("is suspended") : undefined) ??
    (offer.drained ? elsewhere("is being drained: it gets nothing new") : undefined) ??
    misplaced(offer, order.where) ??
    brought(offer, order) ??
    (order.among.kind === "any" ? unchosen(offer, order.where, now) : undefined) ??
    unlike(offer, order) ??
    (offer.holding ? tooSmall(offer.holding, order) : unheld(offer.allowed, order, now))
  );
}

function elsewhere(reason: string): Reason {
  return { reason, remedy: "other nodes" };
}

function misplaced(offer: Offer, where: Whereabouts): Reason | undefined {
  const missing = where.tags.find((tag) => !carries(offer, tag));
  if (missing) return elsewhere(`is not of ${missing.name} ${missing.value}`);
  if (named(where.avoid, offer)) return elsewhere("is to be avoided");
  if (where.nodes.length > 0 && !named(where.nodes, offer))
    return elsewhere("is not among the nodes asked for");
  if (where.sites.length > 0 && !where.sites.includes(offer.site ?? ""))
    return { reason: "is not at a site asked for", remedy: "other sites" };
  if (offer.site && where.avoidSites.includes(offer.site)) return elsewhere("is at a site to be avoided");
  return where.distinctSites && !offer.site ? elsewhere("is at no known site") : undefined;
}

/** What keeps several calls under one request from getting together what one would not. */
function brought({ node, site }: Offer, { brought, where }: Order): Reason | undefined {
  if (brought?.nodes.includes(node)) return elsewhere("has a ticket of this request already");
  if (!where.distinctSites || !site || !brought?.sites.includes(site)) return undefined;
  return { reason: "is at a site that has a node of this request already", remedy: "other sites" };
}

/**
 * Reasons against a node that nobody asked for by name. Its load is one of them and of no others, since what monitors
 * tell must keep nobody from a node they chose.
 */
function unchosen(offer: Offer, { maxLoad }: Whereabouts, now: Instant): Reason | undefined {
  if (offer.held) return { reason: "has the slice already" };
  if (offer.heard === undefined || now - offer.heard > SILENT_SECONDS)
    return { reason: `has not been heard for ${SILENT_SECONDS} s`, remedy: "later" };
  if (maxLoad === undefined) return undefined;
  if (offer.load === undefined) return { reason: "has a load that nobody knows", remedy: "any load" };
  if (offer.load > maxLoad) return { reason: `has a load of more than ${maxLoad}`, remedy: "a higher load" };
  return undefined;
}

function unlike(offer: Offer, order: Order): Reason | undefined {
  const { engine, image } = order;
  if (engine && !offer.engines.includes(engine))
    return { reason: `does not run ${engine}`, remedy: "another engine" };
  const missing = missingAbility(offer.abilities, order);
  if (missing) return { reason: lacks(missing), remedy: engine ? "another engine" : "other nodes" };
  if (offer.portsKept.length > 0)
    return { reason: `keeps ${portList(offer.portsKept)} for itself`, remedy: "other ports" };
  if (offer.portsTaken.length > 0)
    return { reason: `has given ${portList(offer.portsTaken)} to another slice`, remedy: "other ports" };
  if (image && !offer.images.includes(image))
    return { reason: `does not have the image ${image}`, remedy: "another image" };
  return undefined;
}

function tooSmall(holding: OfferedHolding, order: Order): Reason | undefined {
  const lacking = lackingPorts(holding.freePorts, order.anyPorts);
  if (lacking) {
    const reason = `has fewer than the ${order.anyPorts?.[lacking]} ${lacking} ports asked for left`;
    return { reason, remedy: "fewer ports" };
  }
  const demand = shareOfOne(order.resources);
  const most = combine(holding.free, holding.resources, Math.min);
  const short = exceeds(demand, most);
  if (!short) return undefined;
  const left = Math.max(0, most[short]);
  const reason = `has ${left} of ${demand[short]} ${unitOf(short)} left under holding ${holding.id.slice(0, 12)}`;
  const kind = `has less than ${demand[short]} ${unitOf(short)} left`;
  return { reason, kind, remedy: remedyOfShortage(short, left) };
}

/** What no holding on a node allows: the first thing that none does, or that none allows all. */
function unheld(allowed: Allowed | undefined, order: Order, now: Instant): Reason {
  if (!allowed) return { reason: "is not held by this agent now", remedy: "later" };
  const { until } = allowed;
  if (until < now + order.leaseSeconds) {
    const longest = until - now;
    const asked = formatLength(order.leaseSeconds);
    const reason = `is held for ${formatLength(longest)} more, not for ${asked}`;
    return { reason, kind: `is held for less than ${asked}`, remedy: "a shorter lease", longest };
  }
  return (
    unheldWhole(allowed, order) ?? {
      reason: "is held for all of this, but not by one holding together",
      remedy: "less",
    }
  );
}

function unheldWhole(allowed: Allowed, order: Order): Reason | undefined {
  const { engine, image, ceilings } = order;
  if (!allowed.prefix) return elsewhere(`is not held for a slice named ${order.slice}`);
  if (!allowed.engine) return { reason: `is not held for the engine ${engine}`, remedy: "another engine" };
  if (!allowed.image) return { reason: `is not held for the image ${image}`, remedy: "another image" };
  if (!allowed.ports) return { reason: portsUnheld(allowed.portsLacking, order), remedy: "other ports" };
  if (!allowed.capabilities) {
    const names = allowed.capabilitiesLacking.join(", ") || "these capabilities together";
    return { reason: `is not held with ${names}`, remedy: "fewer capabilities" };
  }
  const ceiling = !allowed.cpuCeiling
    ? `${ceilings.cpuMillis} ${unitOf("cpuMillis")}`
    : !allowed.egressCeiling
      ? `${ceilings.egressKbps} ${unitOf("egressKbps")}`
      : undefined;
  return ceiling === undefined
    ? undefined
    : { reason: `is not held for a ceiling of ${ceiling}`, remedy: "lower ceilings" };
}

function portsUnheld(lacking: readonly PortRange[], { ports }: Order): string {
  const low = (lacking.length > 0 ? lacking : ports).find(({ from }) => from < FIRST_UNPRIVILEGED_PORT);
  if (low)
    return `is not held with ${formatPorts(low)}, a privileged port (below ${FIRST_UNPRIVILEGED_PORT})`;
  return `is not held with ${lacking.length > 0 ? portList(lacking) : "these ports together"}`;
}

/** As many ranges of ports as a refusal tells. */
const PORTS_TOLD = 3;

function portList(ports: readonly PortRange[]): string {
  const told = ports.slice(0, PORTS_TOLD).map(formatPorts).join(", ");
  return ports.length > PORTS_TOLD ? `${told} and others` : told;
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
