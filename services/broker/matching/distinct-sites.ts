import { type PlaceOf, siteOf } from "./places.ts";
import type { Ranked } from "./ranking.ts";

/** What the nodes of distinct sites are to be spread over, how many each place has already, and how many are wanted. */
type Wanted = {
  readonly place: PlaceOf;
  readonly counts: ReadonlyMap<string, number>;
  readonly wanted: number;
};

/** The best node of every place at one site. */
type Offers = ReadonlyMap<string, Ranked>;

/**
 * Takes nodes, the best first, no two at one site: `chosen` are as many as are wanted, or can be had, spread over places
 * as evenly as any choice of as many; `others` is one of every site that is left. Both the best first.
 *
 * A site usually is at one place, and then its best node is taken. Where a site says it is at several, what it is taken
 * for decides what is left for others: that is a matching of sites to places, found by augmenting paths.
 */
export function onePerSite(
  best: readonly Ranked[],
  { place, counts, wanted }: Wanted,
): { chosen: readonly Ranked[]; others: readonly Ranked[] } {
  const sites = new Map<string, Map<string, Ranked>>();
  for (const node of best) {
    const site = siteOf(node.ad);
    const offers = sites.get(site) ?? new Map<string, Ranked>();
    if (!sites.has(site)) sites.set(site, offers);
    const at = place(node.ad);
    if (!offers.has(at)) offers.set(at, node);
  }
  const bestOfSites = [...sites.values()].map((offers) => offers.values().next().value!);
  if (sites.values().every((offers) => offers.size === 1)) return { chosen: bestOfSites, others: [] };
  const seats = new Seats(sites, counts);
  seats.fill(wanted);
  const chosen = new Set(seats.chosen());
  const others = bestOfSites.filter(({ ad }) => !seats.isTaken(siteOf(ad)));
  return { chosen: best.filter((node) => chosen.has(node)), others };
}

/**
 * Sites taken for places one after the other, always for a place that has fewest. A place that can get no more even when
 * sites are exchanged never can again (the sets of sites that can be taken so are a matroid), and so the outcome is as
 * even as any (Federgruen and Groenevelt, 1986: the greedy algorithm is optimal over polymatroids).
 */
class Seats {
  readonly #sites: ReadonlyMap<string, Offers>;
  /** The place each site is taken for. */
  readonly #taken = new Map<string, string>();
  /** Sites that have nodes at a place. */
  readonly #sitesAt = new Map<string, string[]>();
  readonly #counts: Map<string, number>;

  constructor(sites: ReadonlyMap<string, Offers>, counts: ReadonlyMap<string, number>) {
    this.#sites = sites;
    this.#counts = new Map(counts);
    for (const [site, offers] of sites) {
      for (const place of offers.keys())
        this.#sitesAt.set(place, [...(this.#sitesAt.get(place) ?? []), site]);
    }
  }

  isTaken(site: string): boolean {
    return this.#taken.has(site);
  }

  chosen(): Ranked[] {
    return [...this.#taken].map(([site, place]) => this.#sites.get(site)!.get(place)!);
  }

  /** Takes sites until so many are taken or no place can get one more. */
  fill(wanted: number): void {
    const open = new Set(this.#sitesAt.keys());
    while (open.size > 0) {
      const level = Math.min(...open.values().map((place) => this.#count(place)));
      for (const place of open) {
        if (this.#taken.size >= wanted) return;
        if (this.#count(place) > level) continue;
        if (this.#add(place)) this.#counts.set(place, level + 1);
        else open.delete(place);
      }
    }
  }

  #count(place: string): number {
    return this.#counts.get(place) ?? 0;
  }

  /** Takes one more site for a place, other places exchanging theirs where that is what it takes; whether it could. */
  #add(place: string): boolean {
    /** By a place: the one that would take a site from it, and which. */
    const losing = new Map<string, { readonly site: string; readonly to: string }>();
    const reached = [place];
    for (const at of reached) {
      for (const site of this.#sitesAt.get(at) ?? []) {
        const owner = this.#taken.get(site);
        if (owner === undefined) {
          this.#exchange(place, at, site, losing);
          return true;
        }
        if (owner === place || losing.has(owner)) continue;
        losing.set(owner, { site, to: at });
        reached.push(owner);
      }
    }
    return false;
  }

  /** `at` takes a free site and gives up one of its own, and so on until `place` has one more. */
  #exchange(
    place: string,
    at: string,
    free: string,
    losing: ReadonlyMap<string, { readonly site: string; readonly to: string }>,
  ): void {
    this.#taken.set(free, at);
    for (let owner = at; owner !== place; ) {
      const { site, to } = losing.get(owner)!;
      this.#taken.set(site, to);
      owner = to;
    }
  }
}
