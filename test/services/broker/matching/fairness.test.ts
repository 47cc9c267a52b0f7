import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SILENT_SECONDS } from "#services/broker/matching/constraints.ts";
import type { Advertisement } from "#services/broker/matching/specification.ts";
import { exceeds } from "#shared/model/resources.ts";
import { ANYWHERE } from "#shared/model/slice-description.ts";
import { NOW } from "#test/support/documents.ts";
import { advertisement, DEMAND, description } from "../advertisements.ts";
import { matched } from "./matched.ts";

const anyAd: fc.Arbitrary<Advertisement> = fc
  .record({
    number: fc.integer({ min: 1, max: 40 }),
    agent: fc.constantFrom("one", "two"),
    site: fc.constantFrom("", "a", "b", "c"),
    memoryMib: fc.constantFrom(0, 64, 128, 4000, 8192),
    slivers: fc.constantFrom(0, 1, 20),
    engines: fc.constantFrom<readonly string[]>(["container"], ["simulated"], []),
    heard: fc.constantFrom(undefined, NOW, NOW - 1000),
    load: fc.constantFrom(undefined, 0, 3),
  })
  .map(({ number, memoryMib, slivers, ...rest }) => {
    const { free } = advertisement(number);
    return advertisement(number, { ...rest, free: { ...free, memoryMib, slivers } });
  });

const anyNeed = fc
  .record({
    count: fc.integer({ min: 1, max: 12 }),
    standby: fc.integer({ min: 0, max: 3 }),
    distinctSites: fc.boolean(),
    engine: fc.constantFrom(undefined, "container" as const),
  })
  .map(({ count, standby, distinctSites, engine }) =>
    description(count, {
      nodes: { count, atleast: 1, standby },
      engine,
      where: { ...ANYWHERE, distinctSites },
    }),
  );

const oneAdPerAgent = fc.uniqueArray(anyAd, {
  maxLength: 30,
  selector: ({ node, agent }) => `${node} ${agent}`,
});

test("whatever is advertised: every node is told of once, and whoever is chosen fits", () => {
  fc.assert(
    fc.property(oneAdPerAgent, anyNeed, (ads, need) => {
      const { chosen, standby, spare, refused } = matched(ads, need);
      const told = [...chosen, ...standby, ...spare, ...refused].map(({ node }) => node);
      assert.deepEqual(told.toSorted(), [...new Set(ads.map(({ node }) => node))].toSorted());
      for (const ad of [...chosen, ...standby, ...spare]) {
        assert.equal(exceeds(DEMAND, ad.free), undefined);
        assert.ok(ad.heard !== undefined && NOW - ad.heard <= SILENT_SECONDS);
        assert.ok(need.engine === undefined || ad.engines.includes(need.engine));
      }
    }),
  );
});

test("whatever is advertised: nobody is left out while fewer are chosen than wanted", () => {
  fc.assert(
    fc.property(oneAdPerAgent, anyNeed, (ads, need) => {
      const { chosen, standby, spare } = matched(ads, need);
      assert.ok(chosen.length <= need.nodes.count && standby.length <= need.nodes.standby);
      if (chosen.length < need.nodes.count) assert.equal(standby.length + spare.length, 0);
      if (standby.length < need.nodes.standby) assert.equal(spare.length, 0);
    }),
  );
});

test("whatever is advertised: sites are shared evenly, or not at all where they are to be distinct", () => {
  fc.assert(
    fc.property(oneAdPerAgent, anyNeed, (ads, need) => {
      const { chosen, standby, spare } = matched(ads, need);
      const at = (site: string) => chosen.filter((ad) => ad.site === site).length;
      for (const site of ["a", "b", "c"]) {
        if (need.where.distinctSites) assert.ok(at(site) <= 1);
        // A site that could have had one more has no fewer than any other, save the one that came first in the last turn.
        const more = [...standby, ...spare].some((ad) => ad.site === site);
        if (more) for (const other of ["a", "b", "c"]) assert.ok(at(other) <= at(site) + 1);
      }
    }),
  );
});

test("the order in which nodes are advertised changes nothing", () => {
  const shuffled = oneAdPerAgent.chain((ads) =>
    fc.tuple(fc.constant(ads), fc.shuffledSubarray(ads, { minLength: ads.length })),
  );
  fc.assert(
    fc.property(shuffled, anyNeed, ([ads, reordered], need) => {
      assert.deepEqual(matched(reordered, need), matched(ads, need));
    }),
  );
});
