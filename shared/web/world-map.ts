import { readFileSync } from "node:fs";
import { type Content, type Html, html } from "./html.ts";
import type { Panel } from "./page.ts";

/** Something that stands somewhere, in degrees. */
export type Pin = {
  readonly latitude: number;
  readonly longitude: number;
  readonly tone: "good" | "warn" | "bad";
  /** What it is and how it is, in words. */
  readonly label: string;
  readonly href: string;
  /** How many stand there. */
  readonly count: number;
};

const LAND = readFileSync(new URL("world-outline.txt", import.meta.url), "utf8").trim();
const [WEST, EAST, NORTH, SOUTH] = [-180, 180, 84, -60];
const GRATICULE = [
  ...range(WEST, EAST).map((longitude) => `M${longitude},${-NORTH}V${-SOUTH}`),
  ...range(SOUTH, NORTH).map((latitude) => `M${WEST},${-latitude}H${EAST}`),
].join("");

function range(from: number, to: number): number[] {
  const step = 30;
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, at) => from + at * step);
}

/** Pins on a map of the world, the bad ones on top. Whoever cannot see it finds the same in a table: `beside` says where. */
export function worldMap(id: string, title: string, pins: readonly Pin[], beside: Content): Panel {
  const drawn = pins.toSorted((one, other) => ORDER[one.tone] - ORDER[other.tone]).map(pinPart);
  const body = html`<p class="none">${beside} <a href="#after-${id}">Skip the map</a></p>
<svg class="map" viewBox="${WEST} ${-NORTH} ${EAST - WEST} ${NORTH - SOUTH}" role="group" aria-label="${title}">
<path class="land" d="${LAND}"/>
<path class="graticule" d="${GRATICULE}"/>
${drawn}</svg>
<span id="after-${id}" tabindex="-1"></span>`;
  return { id, title, body };
}

const ORDER = { good: 0, warn: 1, bad: 2 } as const;

function pinPart({ latitude, longitude, tone, label, href, count }: Pin): Html {
  const radius = Math.min(4, 1.1 + Math.sqrt(count) * 0.35).toFixed(2);
  return html`<a href="${href}" aria-label="${label}"><circle class="pin-${tone}" cx="${longitude.toFixed(2)}" cy="${(-latitude).toFixed(2)}" r="${radius}"><title>${label}</title></circle></a>
`;
}
