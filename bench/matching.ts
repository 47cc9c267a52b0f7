import { AdvertisedNodes } from "#services/broker/matching/advertised-nodes.ts";
import type { Need } from "#services/broker/matching/constraints.ts";
import { explanationOf } from "#services/broker/matching/explanation.ts";
import { type Matching, match } from "#services/broker/matching/matching.ts";
import type { Advertisement } from "#services/broker/matching/specification.ts";
import { exceeds } from "#shared/model/resources.ts";
import { SPREADS, type Whereabouts } from "#shared/model/slice-description.ts";
import { advertisement, DEMAND, description, nodeName } from "#test/services/broker/advertisements.ts";
import { NOW } from "#test/support/documents.ts";
import { median, ratioOf } from "./timing.ts";

/**
 * The broker's matching: 1,000 descriptions with constraints against 10,000 advertisements, beside a plain pass that
 * looks at every advertisement once and keeps those with room that were heard lately; by turns, in one run. Prints
 * milliseconds of processor time for one description, as long as the event loop is held then, and what the first costs
 * for which nothing is in order yet.
 */
const NODES = 10_000;
const NEEDS = 1_000;
const ROUNDS = 3;
const SITES = 700;
const REGIONS = ["eu", "us", "as", "sa", "af", "oc"];

/** The same numbers in every run (the generator of Numerical Recipes). */
let state = 1;
function below(bound: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * bound);
}
const oneOf = <T>(list: readonly T[]): T => list[below(list.length)]!;
const often = (perCent: number) => below(100) < perCent;

/** A node of a fleet of which a third is away, full or busy. */
function anyNode(number: number): Advertisement {
  const site = below(SITES);
  const region = REGIONS[site % REGIONS.length]!;
  const { free } = advertisement(number);
  return advertisement(number, {
    node: nodeName(number * 7919),
    ip: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`,
    site: `site${site}`,
    region,
    country: `${region}${site % 40}`,
    tags: new Map([
      ["site", [`site${site}`]],
      ["region", [region]],
      ["net", [oneOf(["fast", "slow"])]],
    ]),
    engines: often(80) ? ["container", "simulated"] : ["simulated"],
    images: often(90) ? ["debian-12", "busybox"] : ["busybox"],
    free: { ...free, memoryMib: often(15) ? below(128) : below(8192) },
    heard: often(20) ? NOW - below(86_400) : NOW - below(90),
    load: often(90) ? below(800) / 100 : undefined,
    cpus: oneOf([2, 4, 8]),
    liveness: often(95) ? 1 - below(300) / 1000 : undefined,
  });
}

const ads = Array.from({ length: NODES }, (_, number) => anyNode(number));

/** A description with three constraints or more, for 2 to 200 nodes. */
function anyNeed(): Need {
  const where: Whereabouts = {
    distinctSites: often(30),
    sites: often(10) ? Array.from({ length: 50 }, () => `site${below(SITES)}`) : [],
    tags: often(50) ? [{ name: often(50) ? "region" : "net", value: oneOf(["eu", "us", "fast"]) }] : [],
    spread: often(60) ? oneOf(SPREADS) : undefined,
    maxLoad: often(50) ? 1 + below(6) : undefined,
    nodes: [],
    include: often(20) ? [oneOf(ads).ip] : [],
    avoid: Array.from({ length: below(20) }, () => oneOf(ads).node),
    avoidSites: Array.from({ length: below(5) }, () => `site${below(SITES)}`),
  };
  const engine = often(50) ? ("container" as const) : undefined;
  return description(2 + below(199), { where, engine, image: often(50) ? "debian-12" : undefined });
}

const needs = Array.from({ length: NEEDS }, anyNeed);
const holding = needs.map((): Matching => {
  const held = Array.from({ length: below(10) }, () => ({ node: oneOf(ads).node }));
  return { demand: DEMAND, held };
});

/** Milliseconds of this thread's processor time: other work on the machine lengthens the wall's. */
function taken(work: () => unknown): number {
  const { user, system } = process.threadCpuUsage();
  work();
  const after = process.threadCpuUsage();
  return (after.user + after.system - user - system) / 1000;
}

function plainPass(): number {
  const fitting: Advertisement[] = [];
  for (const ad of ads) {
    const heard = ad.heard !== undefined && NOW - ad.heard <= 90;
    if (heard && exceeds(DEMAND, ad.free) === undefined) fitting.push(ad);
  }
  return fitting.length;
}

const first = taken(() => match(needs[0]!, ads, NOW, holding[0]!));
const again = taken(() => match(needs[0]!, new AdvertisedNodes([...ads]), NOW, holding[0]!));
const nodes = new AdvertisedNodes(ads);
const [ours, told, theirs, each]: [number[], number[], number[], number[]] = [[], [], [], []];
let chosen = 0;
for (let round = 0; round < ROUNDS; round++) {
  let sum = 0;
  for (const [at, need] of needs.entries()) {
    const ms = taken(() => (chosen += match(need, nodes, NOW, holding[at]!).chosen.length));
    each.push(ms);
    sum += ms;
  }
  ours.push(sum / NEEDS);
  const tell = (need: Need, at: number) => explanationOf(match(need, nodes, NOW, holding[at]!));
  told.push(taken(() => needs.forEach(tell)) / NEEDS);
  theirs.push(taken(() => needs.forEach(plainPass)) / NEEDS);
}
each.sort((a, b) => a - b);

/** Every site in every region: what is left for whom has to be found out site by site. */
const torn = new AdvertisedNodes(ads.map((ad, at) => ({ ...ad, region: REGIONS[at % REGIONS.length] })));
const everywhere = { ...needs[0]!.where, ...{ include: [], sites: [], tags: [] } };
const odd = description(SITES, { where: { ...everywhere, distinctSites: true, spread: "region" } });
const oddly = taken(() => match(odd, torn, NOW, { demand: DEMAND }));

console.log(`| ${NEEDS} descriptions, ${NODES} advertisements | ms each | over a plain pass (least–most) |
|---|---|---|
| matched, ads put in order once | ${median(ours).toFixed(2)} | ${ratioOf(ours, theirs)} |
| and every refusal told | ${median(told).toFixed(2)} | ${ratioOf(told, theirs)} |
| a plain pass | ${median(theirs).toFixed(2)} | |

The slowest description: ${each.at(-1)!.toFixed(1)} ms; 99 of 100: ${each[Math.floor(each.length * 0.99)]!.toFixed(1)} ms. The very first, ads not in order, code not warm: ${first.toFixed(0)} ms; the
same again over fresh ads: ${again.toFixed(0)} ms. ${SITES} distinct sites that are each in every region: ${oddly.toFixed(1)} ms.
${(chosen / NEEDS / ROUNDS).toFixed(0)} nodes chosen on average.`);
