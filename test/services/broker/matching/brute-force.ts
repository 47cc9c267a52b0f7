import type { Need } from "#services/broker/matching/constraints.ts";
import type { Matching } from "#services/broker/matching/matching.ts";
import type { Advertisement } from "#services/broker/matching/specification.ts";
import type { Instant } from "#shared/model/time.ts";

/**
 * What matching has to come to, found by trying every set of nodes; written from what descriptions mean and not from how
 * the broker goes about it. One advertisement a node. Takes time exponential in their number.
 */
export type Best = {
  /** As many nodes as a set that satisfies everything can have; undefined when none does. */
  readonly size?: number;
  /** How many nodes places have in the most even set of that size, the most first. */
  readonly spread?: readonly number[];
  readonly unevenness?: number;
};

export function bestOf(need: Need, ads: readonly Advertisement[], now: Instant, matching: Matching): Best {
  const held = heldAds(ads, matching);
  const fitting = ads.filter((ad) => !held.includes(ad) && fits(need, ad, now, matching));
  const wanted = matching.wanted ?? need.nodes.count;
  const satisfying = subsets(fitting).filter(
    (set) => set.length <= wanted && isTogether(need, [...held, ...set]),
  );
  if (satisfying.length === 0) return {};
  const size = Math.max(...satisfying.map((set) => set.length));
  const largest = satisfying.filter((set) => set.length === size);
  const spreads = largest.map((set) => spreadOf(need, [...held, ...set], [...held, ...fitting]));
  return {
    size,
    spread: spreads.reduce((a, b) => (isMoreEven(b, a) ? b : a)),
    unevenness: Math.min(...spreads.map((counts) => unevenness(counts))),
  };
}

export function heldAds(ads: readonly Advertisement[], { held = [] }: Matching): Advertisement[] {
  return ads.filter((ad) => held.some(({ node }) => node === ad.node));
}

/** Whether a node by itself will do. */
export function fits(
  { where, ...need }: Need,
  ad: Advertisement,
  now: Instant,
  { demand }: Matching,
): boolean {
  const isNamed = (names: readonly string[]) => names.includes(ad.node) || names.includes(ad.ip);
  return (
    (where.nodes.length === 0 || isNamed(where.nodes)) &&
    !isNamed(where.avoid) &&
    (where.sites.length === 0 || where.sites.includes(ad.site)) &&
    !where.avoidSites.includes(ad.site) &&
    where.tags.every(({ name, value }) => ad.tags.get(name)?.includes(value)) &&
    (!where.distinctSites || ad.site !== "") &&
    (need.engine === undefined || ad.engines.includes(need.engine)) &&
    (need.image === undefined || ad.images.includes(need.image)) &&
    (where.maxLoad === undefined || (ad.load !== undefined && ad.load <= where.maxLoad)) &&
    demand.memoryMib <= ad.free.memoryMib &&
    demand.slivers <= ad.free.slivers &&
    (isNamed(where.nodes) || (ad.heard !== undefined && ad.heard >= now - 90))
  );
}

/** Whether a slice may have these nodes together. */
function isTogether({ where }: Need, nodes: readonly Advertisement[]): boolean {
  const included = where.include.every((name) => nodes.some(({ node, ip }) => node === name || ip === name));
  const sites = nodes.map(({ site }) => site).filter((site) => site !== "");
  return included && (!where.distinctSites || new Set(sites).size === sites.length);
}

/** How many of some nodes each place has that has any of all of them, the most first. */
export function spreadOf(
  { where }: Need,
  nodes: readonly Advertisement[],
  all: readonly Advertisement[],
): number[] {
  const place = (ad: Advertisement) => {
    if (where.spread === "region") return `region ${ad.region}`;
    if (where.spread === "country") return `country ${ad.country}`;
    return ad.site === "" ? ad.node : `site ${ad.site}`;
  };
  const places = new Set(all.map(place));
  const counts = [...places].map((one) => nodes.filter((ad) => place(ad) === one).length);
  return counts.sort((a, b) => b - a);
}

/** The most that two places differ by. */
export function unevenness(counts: readonly number[]): number {
  return counts.length === 0 ? 0 : counts[0]! - counts.at(-1)!;
}

function isMoreEven(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((count, index) => count !== b[index]);
  return at >= 0 && a[at]! < b[at]!;
}

function subsets<T>(all: readonly T[]): T[][] {
  return Array.from({ length: 2 ** all.length }, (_, set) => all.filter((_, at) => (set >> at) & 1));
}
