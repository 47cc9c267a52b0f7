import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readSlice } from "#services/service-manager/journal/slice-state.ts";
import { plainDescription } from "#shared/model/slice-description.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { eventually } from "#test/support/deadline.ts";
import { assertExactly, nodesOf } from "../exactness.ts";
import { CREATE, CREATE_THEN_DELETE, type Killing, killAt, REPAIR, stepsOf } from "../killed.ts";
import { realBroker } from "../real-broker.ts";
import { sliceLab } from "../slice-lab.ts";

/** The slice command and the broker's own service together. */

test("a slice is planned, created, repaired and deleted through the broker's service", async () => {
  await using lab = await sliceLab({ nodes: 4 });
  await using broker = await realBroker(lab);
  const planned = await lab.slice("plan", "hello", "--nodes", "2");
  assert.equal(planned.code, 0, planned.err);
  assert.match(planned.err, /2 more would do as well/);
  const file = join(lab.files, "hello.xml");
  const nodes = { count: 2, atleast: 2, standby: 1 };
  await writeFile(file, writeSliceDescription({ ...plainDescription("hello", 2), nodes }));
  const created = await lab.slice("create", file);
  assert.equal(created.code, 0, created.err);
  assert.doesNotMatch(created.err, /passed over/);
  assert.deepEqual((await readSlice(lab.home, "hello"))?.record.requests, []);
  await assertExactly(lab, "hello", 2);
  const asked = await lab.database.rows("select from requests");
  assert.equal(asked.length, 1, "its tickets were issued under a signed request");

  const [gone] = await nodesOf(lab, "hello");
  await gone!.stop();
  const repaired = await lab.slice("repair", "hello", "--deadline", "2s");
  assert.equal(repaired.code, 0, repaired.err);
  assert.equal((await lab.database.rows("select from requests")).length, 2);
  await gone!.start();
  assert.equal((await lab.slice("repair", "hello")).code, 0);
  await assertExactly(lab, "hello", 2);

  const many = await lab.slice("create", "many", "--nodes", "5");
  assert.equal(many.code, 6, many.err);
  assert.match(many.err, /NO_CAPACITY: 4 of the 5 nodes needed fit/);
  await broker.stop();
  const without = await lab.slice("create", "without", "--nodes", "2");
  assert.equal(without.code, 0, without.err);
  assert.match(without.err, /broker .* is passed over/);
  await assertExactly(lab, "without", 2);
  for (const slice of ["hello", "without"]) assert.equal((await lab.slice("delete", slice)).code, 0);
  await eventually(async () => (await lab.charges()).length === 0);
});

test("a broker that ends while it gathers, and comes back, makes no difference", async () => {
  await using lab = await sliceLab({ nodes: 4 });
  await using broker = await realBroker(lab);
  for (const [at, told] of ["requests", "tickets"].entries()) {
    const slice = `ended${at}`;
    const before = (await lab.database.rows(`select from ${told}`)).length;
    const creating = lab.slice("create", slice, "--nodes", "3");
    await eventually(async () => (await lab.database.rows(`select from ${told}`)).length > before);
    await broker.stop();
    const { code, err } = await creating;
    assert.equal(code, 0, err);
    await broker.start();
    await broker.service.scan();
    assert.deepEqual((await readSlice(lab.home, slice))?.record.requests, []);
    await assertExactly(lab, slice, 3);
  }
});

/** Spread over the whole command, at other steps in every run. */
const SAMPLES: readonly (readonly [string, Killing, number])[] = [
  ["slice create", CREATE, 3],
  ["slice create, then slice delete", CREATE_THEN_DELETE, 2],
  ["slice repair", REPAIR, 1],
];

for (const [name, killing, samples] of SAMPLES) {
  test(`${name} through a broker: killed anywhere and run again, nothing is missing and nothing doubled`, async (t) => {
    await using lab = await sliceLab({ nodes: 3, realTime: true });
    await using _ = await realBroker(lab);
    const steps = await stepsOf(lab, killing);
    for (let sample = 0; sample < samples; sample++) {
      const step = 1 + Math.floor(((sample + Math.random()) * steps) / samples);
      await t.test(`at step ${step} of ${steps}`, () => killAt(lab, step, killing));
    }
  });
}
