import assert from "node:assert/strict";
import { test } from "node:test";
import { Report } from "#packaging/doctor/finding.ts";
import { reportOverdue } from "#packaging/doctor/revocations.ts";
import { KEYS, NOW } from "#test/support/documents.ts";
import { revocationsBy } from "#test/support/revocations.ts";

test("the doctor warns of an authority's list whose next one is missing, and of nobody else's", () => {
  const { node: authority, otherNode: agent } = KEYS;
  const states = (...lists: string[]) => {
    const report = new Report("slice");
    reportOverdue(report, lists, [authority.public], NOW);
    return report.findings.map(({ state, found }) => `${state}: ${found}`);
  };
  const due = (nextUpdate?: number) => revocationsBy(authority, 5, {}, { at: NOW - 9000, nextUpdate });
  assert.deepEqual(states(due(NOW)), ["well: list number 5 names 0 keys"], "clocks may differ a little");
  assert.deepEqual(states(due()), ["well: list number 5 names 0 keys"], "one of before says nothing of it");
  assert.match(states(due(NOW - 301)).join(), /^warning: the list of revocations .* another was due by/);
  assert.deepEqual(states(revocationsBy(agent, 5, {}, { at: NOW - 9000, nextUpdate: NOW - 301 })), []);
});

test("the doctor tells of a list that it refuses and looks at the others", () => {
  const { node: authority } = KEYS;
  const good = revocationsBy(authority, 5, {});
  const report = new Report("slice");
  reportOverdue(
    report,
    ["no document", good.replace("<number>5<", "<number>6<"), good],
    [authority.public],
    NOW,
  );
  assert.deepEqual(
    report.findings.map(({ state, found }) => `${state}: ${found}`.slice(0, 50)),
    [
      "warning: an agent gives a list of revocations that",
      "warning: an agent gives a list of revocations that",
      "well: list number 5 names 0 keys",
    ],
  );
});
