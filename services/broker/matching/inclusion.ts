import type { Reason } from "#shared/model/misfit.ts";
import type { Need } from "./constraints.ts";
import { type Located, siteOf } from "./places.ts";
import type { Ranked } from "./ranking.ts";

/** A node the slice has already, with its address where that is known. */
export type Held = Located & { readonly ip?: string };

/** What becomes of the nodes that must be among those of the slice. */
export type Inclusion = {
  /** Those that will do and that the slice does not have yet, the best first. */
  readonly nodes: readonly Ranked[];
  /** Those that would do but for another that must be there, too. */
  readonly crowded: ReadonlyMap<Ranked, Reason>;
  /** How the description names those that cannot be had. */
  readonly missing: readonly string[];
};

/** Looks for every node to be included among those that will do, the best first, and those the slice has. */
export function inclusionOf(
  { where }: Need,
  best: readonly Ranked[],
  held: readonly Held[],
  wanted: number,
): Inclusion {
  const nodes = new Set<Ranked>();
  const crowded = new Map<Ranked, Reason>();
  const missing: string[] = [];
  const has = new Set(held.flatMap(({ node, ip }) => [node, ip]));
  const sites = new Set(held.map(siteOf));
  const names = new Set(where.include);
  const named = byName(best, names);
  for (const name of names) {
    if (has.has(name)) continue;
    const node = named.get(name);
    if (node && nodes.has(node)) continue;
    const full = held.length === 0 && nodes.size >= wanted;
    const reason = node && crowding(node, { sites, where, full });
    if (node && reason) crowded.set(node, reason);
    if (!node || reason) missing.push(name);
    else {
      nodes.add(node);
      sites.add(siteOf(node.ad));
    }
  }
  return { nodes: best.filter((node) => nodes.has(node)), crowded, missing };
}

type Beside = { readonly sites: ReadonlySet<string>; readonly full: boolean } & Pick<Need, "where">;

function crowding({ ad }: Ranked, { sites, where, full }: Beside): Reason | undefined {
  if (full) return { reason: "is one more than the nodes asked for", remedy: "other nodes" };
  if (!where.distinctSites || !sites.has(siteOf(ad))) return undefined;
  return { reason: `is at ${ad.site}, where another node is that has to be there`, remedy: "other nodes" };
}

/** Those that have one of these names; where several have one address, the best one. */
function byName(best: readonly Ranked[], names: ReadonlySet<string>): Map<string, Ranked> {
  const named = new Map<string, Ranked>();
  if (names.size === 0) return named;
  for (const node of best) {
    for (const name of [node.ad.node, node.ad.ip])
      if (names.has(name) && !named.has(name)) named.set(name, node);
  }
  return named;
}
