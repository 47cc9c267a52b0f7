import type { Panel } from "#shared/web/page.ts";
import { type Pin, worldMap } from "#shared/web/world-map.ts";
import type { Advertisement } from "../store/issuing/advertisements.ts";
import { nodePath, sitePath } from "./addresses.ts";
import { type Fleet, isSilent } from "./fleet.ts";

/** Nodes that are so near one another (degrees) are one pin. */
const CELL = 1;

/** Where the nodes are that say where. */
export function fleetMap({ ads, now }: Pick<Fleet, "ads" | "now">): Panel {
  const placed = ads.filter((ad) => ad.latitude !== undefined && ad.longitude !== undefined);
  const cells = Map.groupBy(placed, cellOf);
  const missing = ads.length - placed.length;
  const beside = `${placed.length} nodes${missing > 0 ? `; ${missing} more do not say where they are` : ""}. The table has the same.`;
  const pins = [...cells.values()].map((there) => pinOf(there, now));
  return worldMap("map", "Where they are", pins, beside);
}

function cellOf({ site, latitude, longitude }: Advertisement): string {
  return `${Math.round(latitude! / CELL)} ${Math.round(longitude! / CELL)} ${site ?? ""}`;
}

function pinOf(there: readonly Advertisement[], now: Pin["count"]): Pin {
  const first = there[0]!;
  const silent = there.filter((ad) => isSilent(ad, now)).length;
  const names = there.length === 1 ? first.ip : `${there.length} nodes`;
  const state = silent === 0 ? "heard" : `${silent === there.length ? "" : `${silent} `}silent`;
  return {
    ...{ latitude: first.latitude!, longitude: first.longitude!, count: there.length },
    tone: silent === 0 ? "good" : silent === there.length ? "bad" : "warn",
    label: `${first.site === undefined ? "" : `${first.site}: `}${names}, ${state}`,
    href: first.site === undefined ? nodePath(first.node) : sitePath(first.site),
  };
}
