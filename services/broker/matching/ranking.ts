import { SHARE_DIMENSIONS, type Share } from "#shared/model/resources.ts";
import type { Advertisement } from "./specification.ts";

/**
 * Which of two nodes that will do is the better one. First how seldom it was away, since a node that goes takes its
 * sliver along; then how busy it is; then how much room it would have left. The first two are measured and tremble, so
 * they count in bands: a node that was heard 99.7 % of the time is no better than one of 99.4 %. Room is counted by its
 * agent and is compared as it is, so that equal nodes fill up evenly.
 *
 * A load comes from monitors, whom nobody authenticates: it speaks against a node, never for it. So one whose load is
 * unknown counts as idle.
 */
export type Ranked = {
  readonly ad: Advertisement;
  /** The lower, the better. */
  readonly band: number;
  /** The part of its scarcest resource that it would have left, below 0: it has none. */
  readonly room: number;
};

/** The part of the time it was heard, from which on a node is in the first, second, third band; below, the fourth. */
const LIVELY = [0.99, 0.95, 0.8] as const;
/** Neither proven nor found wanting. */
const UNKNOWN_LIVELINESS = 1;
/** Load per processor below which a node is in the first, second, third band: idle, busy, full; above, overloaded. */
const LOADED = [0.5, 1, 2] as const;

export function ranked(ad: Advertisement, demand: Share): Ranked {
  const band = livelinessBand(ad) * (LOADED.length + 1) + loadBand(ad);
  return { ad, band, room: room(ad, demand) };
}

/** Below 0 when `a` is the better one, 0 when nothing but their names tells them apart. */
export function compareRanked(a: Ranked, b: Ranked): number {
  return a.band - b.band || b.room - a.room;
}

/** The part of the scarcest resource that would be left free with one more sliver, as a fraction; below 0: none. */
export function room({ free, resources }: Advertisement, demand: Share): number {
  let least = 1;
  for (const d of SHARE_DIMENSIONS) {
    if (resources[d] > 0) least = Math.min(least, (free[d] - demand[d]) / resources[d]);
  }
  return least;
}

function livelinessBand({ liveness }: Advertisement): number {
  if (liveness === undefined) return UNKNOWN_LIVELINESS;
  const band = LIVELY.findIndex((least) => liveness >= least);
  return band < 0 ? LIVELY.length : band;
}

/** Where nobody knows how many processors it has, it is taken to have one. */
function loadBand({ load, cpus = 1 }: Advertisement): number {
  if (load === undefined) return 0;
  const each = load / Math.max(1, cpus);
  const band = LOADED.findIndex((below) => each < below);
  return band < 0 ? LOADED.length : band;
}
