import assert from "node:assert/strict";
import { test } from "node:test";
import { explanationOf, tooFew } from "#services/broker/matching/explanation.ts";
import { match } from "#services/broker/matching/matching.ts";
import { planListing, planNotes } from "#services/service-manager/planning/plan-view.ts";
import type { Plan } from "#services/service-manager/planning/planning.ts";
import { type Format, formatListing } from "#services/service-manager/terminal/output.ts";
import { advertisement, DEMAND, description, withMemory } from "#test/services/broker/advertisements.ts";
import { NOW } from "#test/support/documents.ts";

/** Nodes 1 to 12 are silent, 13 to 21 full, and the others well. */
function planned(count: number, nodes: number): Plan {
  const ads = Array.from({ length: nodes }, (_, at) => {
    if (at < 12) return advertisement(at + 1, { heard: NOW - 600 });
    return at < 21 ? withMemory(at + 1, 100 - at) : advertisement(at + 1);
  });
  const need = description(count, { nodes: { count, atleast: count, standby: 1 } });
  const { refused, chosen, standby, spare, ...specification } = match(need, ads, NOW, { demand: DEMAND });
  const whole = { ...specification, refused, chosen, standby, spare };
  return {
    ...{ description: need, refused, chosen, standby, spare, failures: [] },
    unnamed: { spare: 0, refused: 0 },
    explanation: explanationOf(whole),
    ...(chosen.length < count && { shortage: tooFew(whole, count) }),
  };
}

const shown = async (plan: Plan, format: Format) =>
  (await formatListing(format, planListing(plan, format))).trim().split("\n");

test("of forty nodes a table shows those that would be taken, and notes count the others by reason", async () => {
  const plan = planned(3, 40);
  const [header, ...rows] = await shown(plan, "table");
  assert.match(header!, /^NODE +IP +SITE +VERDICT +WHY$/);
  assert.deepEqual(
    rows.map((row) => row.split(/ +/)[3]),
    ["chosen", "chosen", "chosen", "standby"],
  );
  assert.deepEqual(planNotes(plan), [
    "15 more would do as well",
    "21 of 40 nodes are left out: 12 have not been heard for 90 s, 9 have less than 128 MiB of memory free",
    "-o wide lists every node, and why not",
  ]);
});

test("wide and JSON list every node, the most frequent reason first", async () => {
  const plan = planned(3, 40);
  const rows = (await shown(plan, "wide")).slice(1);
  assert.equal(rows.length, 40);
  assert.match(rows[19]!, /refused +has not been heard for 10 minutes$/);
  assert.match(rows[39]!, /refused +has 80 of 128 MiB of memory free$/);
  const members = JSON.parse((await shown(plan, "json")).join("\n"));
  assert.equal(members.length, 40);
  assert.deepEqual(planNotes(plan, "wide"), []);
  assert.deepEqual(planNotes(plan, "json"), []);
});

test("of few nodes a table shows every one", async () => {
  const plan = planned(1, 14);
  assert.equal((await shown(plan, "table")).length, 15);
  assert.deepEqual(planNotes(plan), []);
});

test("where too few nodes fit, the refusal says why, once", () => {
  const plan = planned(30, 40);
  assert.match(plan.shortage!.sentence, /12 have not been heard for 90 s, 9 have less than 128 MiB/);
  assert.deepEqual(planNotes(plan), ["-o wide lists every node, and why not"]);
});

test("what a broker counts without naming it is told of", () => {
  const plan = { ...planned(1, 13), spare: [], unnamed: { spare: 3, refused: 2 } };
  assert.deepEqual(planNotes(plan), ["3 more would do as well", "2 more would not do; they are not listed"]);
});
