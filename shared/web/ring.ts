import { type Content, type Html, html } from "./html.ts";
import type { Panel } from "./page.ts";

/** Something that belongs to what is drawn in the middle. */
export type Spoke = {
  readonly name: string;
  readonly href: string;
  readonly tone: "good" | "plain" | "warn" | "bad";
  /** What it is and how it is, in words. */
  readonly label: string;
  /** What stands beside others of the same, and is told once for all of them. */
  readonly group: string;
  /** What it came through; empty: nothing in between. */
  readonly through: string;
};

type Terms = { readonly middle: string; readonly spokes: readonly Spoke[]; readonly beside: Content };

const SIZE = 660;
const [RADIUS, BETWEEN, ARC] = [185, 92, 204];

/** So many have their names written beside them; more would cover each other. */
const MOST_NAMES = 72;
/** An arc has its name if it is at least this part of the ring. */
const LEAST_ARC = 0.03;

/** From here on a name beside an arc begins or ends at the nodes, not to cover them. */
const SIDEWAYS = 0.3;

type Placed = Spoke & { readonly angle: number };

/** What one thing consists of, in a ring around it: each by its state, beside others of its group. */
export function ring(id: string, title: string, { middle, spokes, beside }: Terms): Panel {
  const order = spokes.toSorted(
    (one, other) =>
      ORDER.compare(one.through, other.through) ||
      ORDER.compare(one.group, other.group) ||
      ORDER.compare(one.name, other.name),
  );
  const placed = order.map(
    (spoke, at): Placed => ({ ...spoke, angle: ((at + 0.5) / order.length) * 2 * Math.PI }),
  );
  const vias = viasOf(placed);
  const body = html`<p class="none">${beside} <a href="#after-${id}">Skip the drawing</a></p>
<svg class="ring" viewBox="${-SIZE / 2} ${-SIZE / 2} ${SIZE} ${SIZE}" role="group" aria-label="${title}">
${placed.map((spoke) => lineOf(spoke, vias.get(spoke.through)))}${arcsOf(placed)}${[...vias].map(viaPart)}<circle class="middle" r="44"/>
<text class="middle" text-anchor="middle" y="4"><title>${middle}</title>${middle.length > 13 ? `${middle.slice(0, 12)}…` : middle}</text>
${placed.map((spoke) => spokePart(spoke, placed.length <= MOST_NAMES))}</svg>
<span id="after-${id}" tabindex="-1"></span>`;
  return { id, title, body };
}

const ORDER = new Intl.Collator("en", { numeric: true });

function at(angle: number, radius: number): readonly [string, string] {
  // The first stands at the top.
  return [(Math.sin(angle) * radius).toFixed(1), (-Math.cos(angle) * radius).toFixed(1)];
}

/** Where what lies in between stands: amid what came through it. */
function viasOf(placed: readonly Placed[]): ReadonlyMap<string, number> {
  const through = Map.groupBy(
    placed.filter((spoke) => spoke.through !== ""),
    (spoke) => spoke.through,
  );
  return new Map([...through].map(([name, there]) => [name, (there[0]!.angle + there.at(-1)!.angle) / 2]));
}

function lineOf({ angle, tone }: Placed, via: number | undefined): Html {
  const [x, y] = at(angle, RADIUS);
  const bend = via === undefined ? at(angle, BETWEEN) : at(via, BETWEEN);
  return html`<path class="line-${tone}" d="M0,0Q${bend[0]},${bend[1]} ${x},${y}"/>
`;
}

function viaPart([name, angle]: readonly [string, number]): Html {
  const [x, y] = at(angle, BETWEEN);
  return html`<circle class="via" cx="${x}" cy="${y}" r="7"><title>through ${name}</title></circle><text class="via" x="${x}" y="${y}" dy="-11" text-anchor="middle">${name.slice(0, 16)}</text>
`;
}

function spokePart({ name, href, tone, label, angle }: Placed, named: boolean): Html {
  const [x, y] = at(angle, RADIUS);
  const degrees = (angle * 180) / Math.PI - 90;
  const left = angle > Math.PI;
  const text = html`<text transform="rotate(${(left ? degrees + 180 : degrees).toFixed(1)}) translate(${left ? -(ARC + 8) : ARC + 8} 4)" text-anchor="${left ? "end" : "start"}">${name.slice(0, 16)}</text>`;
  return html`<a href="${href}" aria-label="${label}"><circle class="pin-${tone}" cx="${x}" cy="${y}" r="7"><title>${label}</title></circle>${named ? text : undefined}</a>
`;
}

/** A line along what is of one group, which its name stands at on hovering. */
function arcsOf(placed: readonly Placed[]): Html[] {
  const half = Math.PI / Math.max(1, placed.length);
  const runs: Placed[][] = [];
  for (const spoke of placed) {
    const last = runs.at(-1);
    const before = last?.at(-1);
    if (before?.group === spoke.group && before.through === spoke.through) last!.push(spoke);
    else runs.push([spoke]);
  }
  return runs
    .filter((run) => run[0]!.group !== "")
    .map((run) => {
      const [from, to] = [run[0]!.angle - half * 0.8, run.at(-1)!.angle + half * 0.8];
      const wide = to - from > Math.PI ? 1 : 0;
      const [[x1, y1], [x2, y2]] = [at(from, ARC - 4), at(Math.min(to, from + 2 * Math.PI - 0.01), ARC - 4)];
      const { group } = run[0]!;
      const side = Math.sin((from + to) / 2);
      const anchor = side > SIDEWAYS ? "end" : side < -SIDEWAYS ? "start" : "middle";
      const [x, y] = at((from + to) / 2, anchor === "middle" ? ARC - 42 : ARC - 34);
      const name =
        (to - from) / (2 * Math.PI) >= LEAST_ARC
          ? html`<text class="group" x="${x}" y="${y}" text-anchor="${anchor}">${group.slice(0, 14)}</text>`
          : undefined;
      return html`<path class="arc" d="M${x1},${y1}A${ARC - 4},${ARC - 4} 0 ${wide} 1 ${x2},${y2}"><title>${group}</title></path>${name}
`;
    });
}
