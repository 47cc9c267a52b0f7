import { lacks, missingAbility, type Needy } from "#shared/model/ability.ts";
import { type Reason, remedyOfShortage } from "#shared/model/misfit.ts";
import {
  exceeds,
  SHARE_DIMENSIONS,
  type Share,
  type ShareDimension,
  unitOf,
} from "#shared/model/resources.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import { formatLength, type Instant } from "#shared/model/time.ts";
import type { Advertisement, HeldNode, Refusal, Specification } from "./specification.ts";

/** A node that has been silent for longer is passed over, unless it was asked for by name. It reports every 30 s. */
export const SILENT_SECONDS = 300;

/** What matching is asked, beyond the description itself. */
export type Matching = {
  /** What one sliver takes, the agent's defaults filled in. */
  readonly demand: Share;
  /** How many nodes are still wanted; the description's `count` unless some are there already. */
  readonly wanted?: number;
  readonly standby?: number;
  /** Nodes that are out of the question whatever their ads say, with the reason. */
  readonly ruledOut?: ReadonlyMap<string, string>;
  /** Nodes that the slice has already. */
  readonly held?: readonly HeldNode[];
};

type Need = Pick<SliceDescription, "nodes" | "engine" | "image" | "where" | "leaseSeconds"> & Needy;

/**
 * Finds nodes for a slice among advertisements. Pure: the same ads, in any order, give the same answer.
 *
 * Nodes are spread over sites, one more at every site before a second one at any; where sites are to be distinct, never
 * a second one. At a site, the node that would be left with the most room in its scarcest resource goes first. A node
 * advertised by several agents is taken from the one with the most room.
 */
export function match(
  need: Need,
  ads: readonly Advertisement[],
  now: Instant,
  matching: Matching,
): Specification {
  const refused: Refusal[] = [];
  const fit: Advertisement[] = [];
  for (const offers of byNode(ads, matching.demand)) {
    const reasons = offers.map((ad) => reasonAgainst(need, ad, now, matching));
    const index = reasons.indexOf(undefined);
    if (index >= 0) fit.push(offers[index]!);
    else refused.push(refusal(offers[0]!, reasons[0]!));
  }
  refused.push(...unadvertised(need, ads));
  const { ordered, crowded } = spread(need, fit, matching);
  const wanted = matching.wanted ?? need.nodes.count;
  const reserved = wanted + (matching.standby ?? need.nodes.standby);
  return {
    chosen: ordered.slice(0, wanted),
    standby: ordered.slice(wanted, reserved),
    spare: ordered.slice(reserved),
    refused: [...refused, ...crowded].sort((a, b) => compare(a.node, b.node)),
  };
}

/** The ads of each node, the one with the most room first; nodes in the order of their names. */
function byNode(ads: readonly Advertisement[], demand: Share): Advertisement[][] {
  const nodes = new Map<string, Advertisement[]>();
  const ordered = ads.toSorted(
    (a, b) => compare(a.node, b.node) || room(b, demand) - room(a, demand) || compare(a.agent, b.agent),
  );
  for (const ad of ordered) nodes.set(ad.node, [...(nodes.get(ad.node) ?? []), ad]);
  return [...nodes.values()];
}

function reasonAgainst(need: Need, ad: Advertisement, now: Instant, m: Matching): Reason | undefined {
  const ruledOut = m.ruledOut?.get(ad.node);
  return (
    (ruledOut === undefined ? undefined : { reason: ruledOut }) ??
    placeReason(need, ad) ??
    offerReason(need, ad) ??
    termReason(need, ad, now) ??
    capacityReason(ad, m.demand) ??
    silenceReason(need, ad, now)
  );
}

function placeReason({ where }: Need, ad: Advertisement): Reason | undefined {
  const elsewhere = (reason: string, kind?: string): Reason => ({ reason, kind, remedy: "other nodes" });
  if (where.nodes.length > 0 && !names(where.nodes, ad)) return elsewhere("is not among the nodes asked for");
  if (names(where.avoid, ad)) return elsewhere("is to be avoided");
  const missing = where.tags.find((tag) => !ad.tags.get(tag.name)?.includes(tag.value));
  if (missing) {
    const has = ad.tags.get(missing.name)?.join(", ");
    const says = has ? `has ${missing.name} ${has}` : `says nothing of ${missing.name}`;
    return elsewhere(`${says}, not ${missing.value}`, `is not of ${missing.name} ${missing.value}`);
  }
  if (where.distinctSites && ad.site === "")
    return elsewhere("is at no known site, so it cannot be told to be a distinct one");
  return undefined;
}

function offerReason(need: Need, ad: Advertisement): Reason | undefined {
  const { engine, image } = need;
  if (engine && !ad.engines.includes(engine)) {
    const kind = `does not run ${engine}`;
    return { reason: `${kind} (it runs ${listed(ad.engines)})`, kind, remedy: "another engine" };
  }
  if (image && !ad.images.includes(image)) {
    const kind = `does not have the image ${image}`;
    return { reason: `${kind} (it has ${listed(ad.images)})`, kind, remedy: "another image" };
  }
  const missing = missingAbility(ad.abilities, need);
  if (missing === undefined) return undefined;
  return { reason: lacks(missing), remedy: need.engine ? "another engine" : "other nodes" };
}

function termReason({ leaseSeconds }: Need, ad: Advertisement, now: Instant): Reason | undefined {
  const { heldUntil, maxLeaseSeconds = Number.POSITIVE_INFINITY } = ad;
  if (heldUntil === undefined || now + leaseSeconds <= heldUntil) return undefined;
  const left = Math.max(0, heldUntil - now);
  const asked = formatLength(leaseSeconds);
  const reason = `is held by its agent for ${formatLength(left)} more, not for ${asked}`;
  const longest = Math.min(left, maxLeaseSeconds);
  return { reason, kind: `is held for less than ${asked}`, remedy: "a shorter lease", longest };
}

function capacityReason(ad: Advertisement, demand: Share): Reason | undefined {
  const short: ShareDimension | undefined = exceeds(demand, ad.free);
  if (!short) return undefined;
  const reason = `has ${ad.free[short]} of ${demand[short]} ${unitOf(short)} free`;
  const kind = `has less than ${demand[short]} ${unitOf(short)} free`;
  return { reason, kind, remedy: remedyOfShortage(short, ad.free[short]) };
}

function silenceReason({ where }: Need, ad: Advertisement, now: Instant): Reason | undefined {
  if (names(where.nodes, ad)) return undefined;
  if (ad.heard === undefined) return { reason: "has never reported to its agent", remedy: "later" };
  const silent = now - ad.heard;
  if (silent <= SILENT_SECONDS) return undefined;
  const reason = `has been silent for ${Math.floor(silent / 60)} minutes`;
  return { reason, kind: "has been silent for minutes", remedy: "later" };
}

const STRANGER: Reason = { reason: "is advertised by no agent", remedy: "other nodes" };

/** Nodes that were asked for and that nobody advertises: they would otherwise be missing from the explanation. */
function unadvertised({ where }: Need, ads: readonly Advertisement[]): Refusal[] {
  const known = new Set(ads.flatMap((ad) => [ad.node, ad.ip]));
  return where.nodes
    .filter((name) => !known.has(name))
    .map((name) => ({ node: name, ip: "", site: "", ...STRANGER }));
}

/** One node of every site in turn, the roomiest first, sites that have slivers already later. */
function spread(need: Need, fit: readonly Advertisement[], { demand, held = [] }: Matching) {
  const best = fit.toSorted(
    (a, b) => room(b, demand) - room(a, demand) || (a.load ?? 0) - (b.load ?? 0) || compare(a.node, b.node),
  );
  const taken = new Map<string, number>();
  for (const { site } of held) if (site) taken.set(site, (taken.get(site) ?? 0) + 1);
  const turns = best.map((ad) => {
    const key = siteKey(ad);
    const turn = taken.get(key) ?? 0;
    taken.set(key, turn + 1);
    return { ad, turn };
  });
  const allowed = ({ turn }: { turn: number }) => !need.where.distinctSites || turn === 0;
  return {
    // Sorting is stable: within a turn, the roomiest stays first.
    ordered: turns
      .filter(allowed)
      .sort((a, b) => a.turn - b.turn)
      .map(({ ad }) => ad),
    crowded: turns.filter((turn) => !allowed(turn)).map(({ ad }) => refusal(ad, crowding(ad))),
  };
}

function crowding({ site }: Advertisement): Reason {
  const kind = "is at a site where the slice has a better node";
  return { reason: `is at ${site}, where the slice has a better node`, kind, remedy: "other nodes" };
}

/** A node of no known site is a site of its own: nothing is known to fail together with it. */
function siteKey(ad: Advertisement): string {
  return ad.site === "" ? `node ${ad.node}` : ad.site;
}

/** The part of the scarcest resource that would be left free with one more sliver, as a fraction; below 0: none. */
function room(ad: Advertisement, demand: Share): number {
  const parts = SHARE_DIMENSIONS.filter((d) => ad.resources[d] > 0).map(
    (d) => (ad.free[d] - demand[d]) / ad.resources[d],
  );
  return Math.min(...parts, 1);
}

function names(list: readonly string[], ad: Advertisement): boolean {
  return list.includes(ad.node) || list.includes(ad.ip);
}

function refusal({ node, ip, site }: Advertisement, reason: Reason): Refusal {
  return { node, ip, site, ...reason };
}

function listed(names: readonly string[]): string {
  return names.length > 0 ? names.join(", ") : "none";
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
