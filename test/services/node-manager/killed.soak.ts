import assert from "node:assert/strict";
import { test } from "node:test";
import { surviveKillAt } from "./lab/kill-scenario.ts";
import { nodeSite, siteKeys } from "./lab/node-process.ts";

test("kill -9 at every single step of a node manager's life is survived", async (t) => {
  const keys = await siteKeys();
  let unreached = 0;
  // Steps differ a little from run to run with what settles when, so a few beyond the last are tried too.
  for (let step = 1; unreached < 5; step += 1) {
    await t.test(`at step ${step}`, async () => {
      await using site = await nodeSite(keys);
      unreached = (await surviveKillAt(site, String(step))) ? 0 : unreached + 1;
    });
    assert.ok(step < 200, "the steps don't come to an end");
  }
});
