import type { Advertisement } from "./specification.ts";

/**
 * The nodes of some advertisements, in the order of their names, put in order once however often they are matched.
 * Nothing of it depends on the order of the advertisements.
 */
export class AdvertisedNodes {
  /** What is advertised of each node, by one agent or by several. */
  readonly offers: readonly (readonly Advertisement[])[];
  #named: Map<string, Advertisement> | undefined;

  constructor(ads: readonly Advertisement[]) {
    const nodes = new Map<string, Advertisement[]>();
    for (const ad of ads) {
      const same = nodes.get(ad.node);
      if (same) same.push(ad);
      else nodes.set(ad.node, [ad]);
    }
    this.offers = [...nodes.keys()].sort().map((node) => {
      const offers = nodes.get(node)!;
      return offers.length > 1 ? offers.sort((a, b) => compareNames(a.agent, b.agent)) : offers;
    });
  }

  /** What somebody advertises of the node with this identity or address. */
  find(name: string): Advertisement | undefined {
    this.#named ??= namesOf(this.offers.flat());
    return this.#named.get(name);
  }
}

function namesOf(ads: readonly Advertisement[]): Map<string, Advertisement> {
  const named = new Map<string, Advertisement>();
  for (const ad of ads) {
    for (const name of [ad.node, ad.ip]) if (!named.has(name)) named.set(name, ad);
  }
  return named;
}

export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
