import { readFile, writeFile } from "node:fs/promises";

/**
 * Makes the outline of the world that maps are drawn on, of world-atlas's land-110m.json (TopoJSON): one SVG path in
 * degrees, longitude to the right and latitude upside down, as SVG has it. Run by hand, when the outline should change:
 *
 *     node testbed/world-outline.ts FILE
 */
type Topology = {
  readonly transform: { readonly scale: Point; readonly translate: Point };
  /** Each point is told by its difference from the one before it. */
  readonly arcs: readonly (readonly Point[])[];
  readonly objects: {
    readonly land: { readonly geometries: readonly { readonly arcs: readonly (readonly Ring[])[] }[] };
  };
};
type Point = readonly [x: number, y: number];
/** Numbers of arcs; ~n is arc n backwards. */
type Ring = readonly number[];

const OUTLINE = new URL("../shared/web/world-outline.txt", import.meta.url);

/** The ice at the bottom of the map, where nobody has nodes. */
const SOUTHERNMOST = -60;

function ringPoints({ arcs, transform: { scale, translate } }: Topology, ring: Ring): Point[] {
  return ring.flatMap((number) => {
    let [x, y] = [0, 0];
    const points = arcs[number < 0 ? ~number : number]!.map(([dx, dy]): Point => {
      x += dx;
      y += dy;
      return [x * scale[0] + translate[0], y * scale[1] + translate[1]];
    });
    return number < 0 ? points.reverse() : points;
  });
}

/** Land that lies across the 180th meridian goes on beyond the map's edge instead, and comes in again at the other one. */
function unrolled(points: readonly Point[]): readonly Point[][] {
  let turns = 0;
  const whole = points.map(([x, y], at): Point => {
    const step = at === 0 ? 0 : x - points[at - 1]![0];
    if (Math.abs(step) > 180) turns -= Math.sign(step);
    return [x + turns * 360, y];
  });
  const beyond = [-360, 360].filter((shift) => whole.some(([x]) => Math.abs(x + shift) < 180));
  return [whole, ...beyond.map((shift) => whole.map(([x, y]): Point => [x + shift, y]))];
}

/** To a tenth of a degree, with each point told by its difference from the one before it. */
function pathOf(points: readonly Point[]): string {
  const tenths = points.map(([x, y]) => [Math.round(x * 10), Math.round(-y * 10)] as const);
  const moves = tenths
    .map(([x, y], at) => [x - (tenths[at - 1]?.[0] ?? 0), y - (tenths[at - 1]?.[1] ?? 0)] as const)
    .filter(([x, y], at) => at === 0 || x !== 0 || y !== 0);
  const [start, ...lines] = moves.map(([x, y]) => `${x / 10},${y / 10}`);
  return `M${start}l${lines.join(" ")}z`;
}

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("say where land-110m.json of world-atlas is");
const topology: Topology = JSON.parse(await readFile(file, "utf8"));
const rings = topology.objects.land.geometries
  .flatMap(({ arcs }) => arcs.flat())
  .map((ring) => ringPoints(topology, ring))
  .filter((points) => points.some(([, y]) => y > SOUTHERNMOST))
  .flatMap(unrolled);
await writeFile(OUTLINE, `${rings.map(pathOf).join("")}\n`);
