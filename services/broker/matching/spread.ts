import type { Spread } from "#shared/model/slice-description.ts";
import { onePerSite } from "./distinct-sites.ts";
import { type Located, PLACES, type PlaceOf, siteOf } from "./places.ts";
import type { Ranked } from "./ranking.ts";

/** What a slice is spread over, and what is settled before anything is chosen. */
export type Layout = {
  readonly over: Spread;
  readonly distinctSites: boolean;
  /** Nodes the slice has already. */
  readonly held: readonly Located[];
  /** Nodes that must be among those wanted, whatever that does to the spread. */
  readonly included: readonly Ranked[];
  readonly wanted: number;
};

/** Nodes in the order they are to be taken in, and those that may not be taken beside them. */
export type Arrangement = { readonly ordered: readonly Ranked[]; readonly crowded: readonly Ranked[] };

/**
 * Puts nodes, the best first, in an order of which the first `wanted` are spread as evenly as any choice of as many
 * could be: the place that has most has the fewest it can have, then the one that has second most, and so on. Among equal
 * choices the better nodes are taken. What follows goes on in the same way, for standbys.
 */
export function arranged(best: readonly Ranked[], layout: Layout): Arrangement {
  const { over, distinctSites, held, included, wanted } = layout;
  const place = PLACES[over];
  const taken = [...held, ...included.map(({ ad }) => ad)];
  const counts = new Map<string, number>();
  for (const node of taken) counts.set(place(node), (counts.get(place(node)) ?? 0) + 1);
  const first = new Set(included);
  const open = best.filter((node) => !first.has(node));
  if (!distinctSites) return { ordered: [...included, ...evenly(open, place, counts)], crowded: [] };

  const sites = new Set(taken.map(siteOf));
  const free = open.filter(({ ad }) => !sites.has(siteOf(ad)));
  const few = Math.max(0, wanted - included.length);
  const { chosen, others } = onePerSite(free, { place, counts, wanted: few });
  const ordered = [...included, ...evenly(chosen, place, counts), ...evenly(others, place, counts)];
  const kept = new Set(ordered);
  return { ordered, crowded: best.filter((node) => !kept.has(node)) };
}

/** One node of every place in turn, the best first, places that have some already later. Counts what it takes. */
function evenly(best: readonly Ranked[], place: PlaceOf, counts: Map<string, number>): Ranked[] {
  const turns: Ranked[][] = [];
  for (const node of best) {
    const key = place(node.ad);
    const turn = counts.get(key) ?? 0;
    counts.set(key, turn + 1);
    turns[turn] ??= [];
    turns[turn].push(node);
  }
  return turns.flat();
}
