import assert from "node:assert/strict";
import { test } from "node:test";
import {
  add,
  exceeds,
  larger,
  NOTHING,
  SHARE_DIMENSIONS,
  shareOfOne,
  unitOf,
} from "#shared/model/resources.ts";

const some = { cpuMillis: 1, memoryMib: 2, diskMib: 3, egressKbps: 4, slivers: 5 };

test("every dimension counts by itself", () => {
  assert.equal(exceeds(some, some), undefined);
  for (const dimension of SHARE_DIMENSIONS) {
    assert.equal(exceeds({ ...NOTHING, [dimension]: some[dimension] + 1 }, some), dimension);
    assert.equal(add(some, { ...NOTHING, [dimension]: 1 })[dimension], some[dimension] + 1);
    assert.equal(larger(NOTHING, { ...NOTHING, [dimension]: 7 })[dimension], 7);
    assert.ok(unitOf(dimension).length > 0);
  }
});

test("a slice ticket takes one sliver", () => {
  const { slivers: _, ...resources } = some;
  assert.deepEqual(shareOfOne(resources), { ...resources, slivers: 1 });
});
