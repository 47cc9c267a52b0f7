import assert from "node:assert/strict";
import { test } from "node:test";
import { match } from "#services/broker/matching/matching.ts";
import type { Advertisement } from "#services/broker/matching/specification.ts";
import { NOW } from "#test/support/documents.ts";
import { advertisement, DEMAND, description, withMemory } from "../advertisements.ts";

/** The order in which nodes are taken that differ in nothing else, by their numbers. */
function order(...differing: Partial<Advertisement>[]): number[] {
  const ads = differing.map((overrides, at) => advertisement(at + 1, overrides));
  const { chosen } = match(description(ads.length), ads, NOW, { demand: DEMAND });
  return chosen.map(({ ip }) => Number(ip.split(".").at(-1)));
}

test("the node that was away less comes first, however busy it is", () => {
  const seldom = { liveness: 0.995, load: 8, cpus: 1 };
  assert.deepEqual(order({ liveness: 0.7 }, { liveness: 0.9 }, { liveness: 0.96 }, seldom), [4, 3, 2, 1]);
});

test("a node of which nobody knows how lively it is stands between the proven and those found wanting", () => {
  assert.deepEqual(order({ liveness: 0.94 }, {}, { liveness: 1 }), [3, 2, 1]);
  assert.deepEqual(order({ liveness: 0.96 }, {}), [1, 2], "as one that is good");
});

test("of equally lively nodes, the one with less load for each processor comes first", () => {
  assert.deepEqual(order({ load: 3, cpus: 2 }, { load: 3, cpus: 16 }, { load: 3, cpus: 4 }), [2, 3, 1]);
  assert.deepEqual(order({ load: 0.9 }, { load: 0.1 }), [2, 1], "one processor where nobody tells of more");
});

test("a load that nobody signs speaks for no node: unknown is as good as idle", () => {
  assert.deepEqual(order({}, { load: 0, cpus: 64 }, { load: 9, cpus: 1 }), [1, 2, 3]);
});

test("what trembles does not reorder: within a band the room decides, and then the name", () => {
  const roomy = advertisement(1).free;
  assert.deepEqual(order({ liveness: 0.991, load: 0.3 }, { liveness: 0.999, load: 0.01 }), [1, 2]);
  const full = { ...roomy, memoryMib: 4000 };
  assert.deepEqual(order({ free: full, liveness: 0.999 }, { liveness: 0.992, load: 0.4 }), [2, 1]);
});

test("of nodes that differ in room alone, those with more of what they are shortest of come first", () => {
  const ads = [withMemory(1, 2000), withMemory(2, 4000), withMemory(3, 3000)];
  const { chosen } = match(description(3), ads, NOW, { demand: DEMAND });
  assert.deepEqual(
    chosen.map(({ ip }) => ip),
    ["10.77.0.2", "10.77.0.3", "10.77.0.1"],
  );
});

test("spreading comes before any of that", () => {
  const lively = { site: "a", liveness: 1 };
  assert.deepEqual(order(lively, lively, { site: "b", liveness: 0.1, load: 99 }), [1, 3, 2]);
});
