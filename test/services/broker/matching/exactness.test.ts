import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Need } from "#services/broker/matching/constraints.ts";
import { type Matching, match } from "#services/broker/matching/matching.ts";
import { compareRanked, ranked } from "#services/broker/matching/ranking.ts";
import type { Advertisement, Specification } from "#services/broker/matching/specification.ts";
import { SPREADS, type Whereabouts } from "#shared/model/slice-description.ts";
import { NOW } from "#test/support/documents.ts";
import { advertisement, DEMAND, description, nodeName } from "../advertisements.ts";
import { bestOf, fits, heldAds, spreadOf, unevenness } from "./brute-force.ts";

/** Matching against a matcher that tries everything, over all that fast-check thinks of with a handful of nodes. */

const MOST_NODES = 8;
const SITES = ["", "a", "b", "c", "d"];
const PLACES = ["x", "y", "z"];
const place = fc.constantFrom(undefined, ...PLACES);
const often = <T>(usual: T, ...others: T[]) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );

const anyAd = fc.record({
  site: fc.constantFrom(...SITES),
  region: place,
  country: place,
  colours: fc.subarray(["red", "blue"]),
  engines: often<readonly string[]>(["container"], ["microvm"], []),
  images: often<readonly string[]>(["debian-12"], []),
  memoryMib: fc.constantFrom(127, 128, 1000, 1000, 8000),
  slivers: often(5, 0),
  load: fc.constantFrom(undefined, 0.1, 1, 2, 5),
  cpus: fc.constantFrom(undefined, 1, 4),
  liveness: fc.constantFrom(undefined, 0.5, 0.97, 1),
  heard: often(NOW - 90, NOW - 91, undefined),
});

const ads: fc.Arbitrary<Advertisement[]> = fc
  .array(anyAd, { minLength: 1, maxLength: MOST_NODES })
  .map((list) =>
    list.map(({ colours, memoryMib, slivers, ...rest }, at) => {
      const { free } = advertisement(at);
      const tags = new Map([["colour", colours]]);
      return advertisement(at, { ...rest, tags, free: { ...free, memoryMib, slivers } });
    }),
  );

const name = fc.nat(MOST_NODES).chain((at) => fc.constantFrom(nodeName(at), `10.77.0.${at}`));
const few = <T>(one: fc.Arbitrary<T>, most: number) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant<T[]>([]) },
    { weight: 1, arbitrary: fc.array(one, { maxLength: most }) },
  );

const where: fc.Arbitrary<Whereabouts> = fc.record({
  distinctSites: fc.boolean(),
  sites: few(fc.constantFrom(...SITES.slice(1)), 4),
  tags: few(fc.constantFrom({ name: "colour", value: "red" }, { name: "colour", value: "blue" }), 2),
  spread: fc.constantFrom(undefined, ...SPREADS),
  maxLoad: often(undefined, 0.1, 2),
  nodes: few(name, 8),
  include: few(name, 3),
  avoid: few(name, 2),
  avoidSites: few(fc.constantFrom(...SITES.slice(1)), 1),
});

const need: fc.Arbitrary<Need> = fc
  .record({
    count: fc.integer({ min: 1, max: MOST_NODES }),
    standby: fc.nat(2),
    where,
    engine: often(undefined, "container" as const),
    image: often(undefined, "debian-12"),
  })
  .map(({ count, standby, ...rest }) =>
    description(count, { ...rest, nodes: { count, atleast: 1, standby } }),
  );

const matching: fc.Arbitrary<Matching> = few(fc.nat(MOST_NODES), 3).map((held) => ({
  demand: DEMAND,
  held: [...new Set(held)].map((at) => ({ node: nodeName(at), ip: `10.77.0.${at}` })),
}));

/** Checks `rule` over thousands of small cases. */
function always(
  rule: (found: Specification, given: { need: Need; ads: Advertisement[]; matching: Matching }) => void,
): void {
  fc.assert(
    fc.property(ads, need, matching, (ads, need, matching) => {
      // Nodes the slice has that nobody advertises are told nothing of here: matching may know more than we do.
      const held = matching.held!.filter(({ node }) => ads.some((ad) => ad.node === node));
      const given = { need, ads, matching: { ...matching, held } };
      rule(match(need, ads, NOW, given.matching), given);
    }),
    { numRuns: 4000 },
  );
}

test("where any set of nodes satisfies everything, one is found, and none has more nodes", () => {
  let found = 0;
  always((specification, { need, ads, matching }) => {
    const best = bestOf(need, ads, NOW, matching);
    if (best.size !== undefined) {
      found += 1;
      assert.equal(specification.chosen.length, best.size);
      assert.equal(specification.unmet, undefined);
    } else if (matching.held!.length === 0) {
      assert.equal(specification.chosen.length + specification.standby.length, 0);
      assert.ok(specification.unmet!.length > 0, "it is said which node must be there and cannot be");
    }
  });
  assert.ok(found > 1000);
});

test("no set of as many nodes is spread more evenly", () => {
  always(({ chosen }, { need, ads, matching }) => {
    const best = bestOf(need, ads, NOW, matching);
    if (best.size === undefined) return;
    const held = heldAds(ads, matching);
    const all = ads.filter((ad) => held.includes(ad) || fits(need, ad, NOW, matching));
    const spread = spreadOf(need, [...held, ...chosen], all);
    assert.equal(unevenness(spread), best.unevenness);
    assert.deepEqual(spread, best.spread);
  });
});

test("nothing is chosen, kept in reserve or spare that a constraint excludes, and all else is told of once", () => {
  always(({ chosen, standby, spare, refused }, { need, ads, matching }) => {
    const held = heldAds(ads, matching);
    for (const ad of [...chosen, ...standby, ...spare]) {
      assert.ok(fits(need, ad, NOW, matching));
      assert.ok(!held.includes(ad));
    }
    const told = [...chosen, ...standby, ...spare, ...refused].map(({ node }) => node);
    assert.equal(new Set(told).size, told.length);
    for (const ad of ads) assert.ok(told.includes(ad.node));
  });
});

test("sites are distinct among the chosen, those in reserve and those the slice has", () => {
  always(({ chosen, standby, spare }, { need, ads, matching }) => {
    if (!need.where.distinctSites) return;
    const fresh = [...chosen, ...standby, ...spare].map(({ site }) => site);
    const had = heldAds(ads, matching).map(({ site }) => site);
    assert.equal(new Set(fresh).size, fresh.length);
    assert.ok(fresh.every((site) => site !== "" && !had.includes(site)));
  });
});

test("of two nodes that could be exchanged without harm, the better one is chosen", () => {
  always(({ chosen, standby, spare }, { need, ads, matching }) => {
    if (need.where.distinctSites || need.where.include.length > 0) return;
    const held = heldAds(ads, matching);
    const all = [...held, ...chosen, ...standby, ...spare];
    const spread = spreadOf(need, [...held, ...chosen], all);
    for (const taken of chosen) {
      for (const left of [...standby, ...spare]) {
        const exchanged = [...held, ...chosen.filter((ad) => ad !== taken), left];
        if (spreadOf(need, exchanged, all).join() === spread.join()) assert.ok(isBetter(taken, left));
      }
    }
  });
});

function isBetter(a: Advertisement, b: Advertisement): boolean {
  const order = compareRanked(ranked(a, DEMAND), ranked(b, DEMAND));
  return order < 0 || (order === 0 && a.node < b.node);
}
