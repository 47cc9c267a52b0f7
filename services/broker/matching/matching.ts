import type { Reason } from "#shared/model/misfit.ts";
import type { Share } from "#shared/model/resources.ts";
import type { Instant } from "#shared/model/time.ts";
import { AdvertisedNodes, compareNames } from "./advertised-nodes.ts";
import { type Constraint, constraintsOf, type Need } from "./constraints.ts";
import { type Held, inclusionOf } from "./inclusion.ts";
import { compareRanked, type Ranked, ranked, room } from "./ranking.ts";
import type { Advertisement, HeldNode, Refusal, Specification } from "./specification.ts";
import { arranged } from "./spread.ts";

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

/**
 * Finds nodes for a slice among advertisements. Pure: the same ads, in any order, give the same answer. Ads that are
 * matched often are put in order once: `new AdvertisedNodes(ads)`.
 *
 * 1. Nodes that any constraint excludes are refused, each with the first reason (constraints.ts).
 * 2. Nodes to be included come first. A slice without nodes gets none where one of them cannot be had; one that has some
 *    already gets others, and the places of those that are missing stay open.
 * 3. The others are spread as evenly as can be, together with the nodes the slice has (spread.ts).
 * 4. Where that leaves a choice, the better node is taken (ranking.ts), and of equal ones the first by name.
 *
 * A node advertised by several agents is taken from the one with the most room.
 */
export function match(
  need: Need,
  ads: readonly Advertisement[] | AdvertisedNodes,
  now: Instant,
  { demand, wanted = need.nodes.count, standby = need.nodes.standby, ...matching }: Matching,
): Specification {
  const nodes = ads instanceof AdvertisedNodes ? ads : new AdvertisedNodes(ads);
  const held = (matching.held ?? []).map((node) => located(node, nodes));
  const has = held.map(({ node }) => [node, "has the slice"] as const);
  const ruledOut = new Map([...has, ...(matching.ruledOut ?? [])]);
  const { best, misfits } = judged(nodes, constraintsOf(need, now, { demand, ruledOut }), demand);

  const inclusion = inclusionOf(need, best, held, wanted);
  const missing = inclusion.missing.length;
  const refusedWhole = missing > 0 && held.length === 0;
  const chosen = refusedWhole ? 0 : Math.max(0, wanted - missing);
  const reserved = refusedWhole ? 0 : chosen + standby;
  const { ordered, crowded } = arranged(
    best.filter((node) => !inclusion.crowded.has(node)),
    {
      over: need.where.spread ?? "site",
      distinctSites: need.where.distinctSites,
      held,
      included: inclusion.nodes,
      wanted: chosen,
    },
  );
  const refused = once(() =>
    [
      ...misfits.map(({ ad, constraint }) => refusal(ad, constraint.reason(ad))),
      ...inclusion.crowded.entries().map(([{ ad }, reason]) => refusal(ad, reason)),
      ...crowded.map(({ ad }) => refusal(ad, crowding(ad))),
      ...unadvertised(need, nodes, held),
    ].sort((a, b) => compareNames(a.node, b.node)),
  );
  const inOrder = ordered.map(({ ad }) => ad);
  return {
    chosen: inOrder.slice(0, chosen),
    standby: inOrder.slice(chosen, reserved),
    spare: inOrder.slice(reserved),
    // Thousands of sentences, which nobody reads as long as there are enough nodes.
    get refused() {
      return refused();
    },
    ...(missing > 0 && { unmet: refused().filter(isAmong(inclusion.missing)) }),
  };
}

/** A node that will not do, and the first constraint that it does not meet. */
type Misfit = { readonly ad: Advertisement; readonly constraint: Constraint };

/** Nodes that will do, the best first, and those that will not. */
function judged(nodes: AdvertisedNodes, constraints: readonly Constraint[], demand: Share) {
  const best: Ranked[] = [];
  const misfits: Misfit[] = [];
  for (const offers of nodes.offers) {
    const verdict = verdictOn(offers.length > 1 ? roomiest(offers, demand) : offers, constraints);
    if ("constraint" in verdict) misfits.push(verdict);
    else best.push(ranked(verdict, demand));
  }
  // Sorting is stable: equal nodes stay in the order of their names.
  return { best: best.sort(compareRanked), misfits };
}

function roomiest(offers: readonly Advertisement[], demand: Share): readonly Advertisement[] {
  return offers.toSorted((a, b) => room(b, demand) - room(a, demand));
}

/** The first offer of a node that will do, or why the first of all will not. */
function verdictOn(
  offers: readonly Advertisement[],
  constraints: readonly Constraint[],
): Advertisement | Misfit {
  let first: Misfit | undefined;
  for (const ad of offers) {
    const constraint = constraints.find(({ admits }) => !admits(ad));
    if (!constraint) return ad;
    first ??= { ad, constraint };
  }
  return first!;
}

const STRANGER: Reason = { reason: "is advertised by no agent", remedy: "other nodes" };

/** Nodes that were asked for and that nobody advertises: they would otherwise be missing from the explanation. */
function unadvertised({ where }: Need, nodes: AdvertisedNodes, held: readonly Held[]): Refusal[] {
  const asked = [...new Set([...where.nodes, ...where.include])];
  const has = new Set(held.flatMap(({ node, ip }) => [node, ip]));
  return asked
    .filter((name) => !has.has(name) && !nodes.find(name))
    .map((name) => ({ node: name, ip: "", site: "", ...STRANGER }));
}

function isAmong(names: readonly string[]): (refusal: Refusal) => boolean {
  return ({ node, ip }) => names.includes(node) || names.includes(ip);
}

/** Where a node of the slice is: as it is advertised, else as the slice remembers. */
function located({ node, ip, site = "" }: HeldNode, nodes: AdvertisedNodes): Held {
  const ad = nodes.find(node);
  return { node, ip: ad?.ip ?? ip, site: ad?.site || site, region: ad?.region, country: ad?.country };
}

function crowding({ site }: Advertisement): Reason {
  const kind = "is at a site where the slice has a better node";
  return { reason: `is at ${site}, where the slice has a better node`, kind, remedy: "other sites" };
}

function refusal({ node, ip, site }: Advertisement, reason: Reason): Refusal {
  return { node, ip, site, ...reason };
}

/** Does some work when it is first asked for, and no more than once. */
function once<T>(work: () => T): () => T {
  let done: { readonly result: T } | undefined;
  return () => {
    done ??= { result: work() };
    return done.result;
  };
}
