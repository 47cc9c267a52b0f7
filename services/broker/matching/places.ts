import type { Spread } from "#shared/model/slice-description.ts";
import type { Advertisement } from "./specification.ts";

/** What tells where a node is. */
export type Located = Pick<Advertisement, "node" | "site" | "region" | "country">;

/** The place a node counts for, as a key. */
export type PlaceOf = (node: Located) => string;

/** A node of no known site is a site of its own: nothing is known to fail together with it. */
export function siteOf({ site, node }: Pick<Located, "site" | "node">): string {
  return site === "" ? `\0${node}` : site;
}

/** All nodes that say nothing of their country or region are in one: nothing is known to keep them apart. */
export const PLACES: Readonly<Record<Spread, PlaceOf>> = {
  site: siteOf,
  country: ({ country = "" }) => country,
  region: ({ region = "" }) => region,
};
