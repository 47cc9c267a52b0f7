import assert from "node:assert/strict";
import { test } from "node:test";
import { openTicketKeys } from "#services/agent/signing/ticket-keys.ts";
import { sampleLiveness } from "#services/agent/store/monitors/liveness.ts";
import { DAY } from "../../../support/documents.ts";
import { type AgentLab, agentLab, type LabNode } from "../agent-lab.ts";
import { enrolFleet } from "../fleet.ts";

/** What getads says of the liveness of these nodes. */
async function liveness({ alice }: AgentLab, nodes: readonly LabNode[]) {
  const ads = await alice.client.getads({ limit: 100 });
  return nodes.map(({ ip }) => {
    const ad = ads.find((one) => typeof one === "object" && one.ip === ip);
    return typeof ad === "object" ? ad.liveness : undefined;
  });
}

/** Lets minutes pass in which those nodes report, and samples after each. */
async function minutes(lab: AgentLab, count: number, reporting: readonly LabNode[]): Promise<void> {
  for (let minute = 0; minute < count; minute++) {
    lab.clock.advance(60);
    const names = reporting.map(({ name }) => name);
    const now = lab.clock.now();
    await lab.database.run("update nodes set heard = to_timestamp($2) where node = any($1)", [names, now]);
    await sampleLiveness(lab.database, now);
  }
}

/** An agent that has looked once, so that the next time counts. */
async function watchedLab(): Promise<AgentLab> {
  const lab = await agentLab();
  await lab.agent.look();
  return lab;
}

test("a node that was always heard has a liveness of 1000, one that never was none but 0", async () => {
  await using lab = await watchedLab();
  const [steady, silent] = lab.nodes;
  assert.deepEqual(await liveness(lab, [steady, silent]), [null, null], "nobody knows yet");
  await minutes(lab, 2, [steady]);
  assert.deepEqual(await liveness(lab, [steady, silent]), [1000, 500], "it reported when it deposited");
  await minutes(lab, 8, [steady]);
  assert.deepEqual(await liveness(lab, [steady, silent]), [1000, 100]);
});

test("what was a day ago counts half", async () => {
  await using lab = await watchedLab();
  const [node] = lab.nodes;
  await minutes(lab, 1, [node]);
  // As if a minute of these histories were a day, all of it heard.
  await lab.database.run("update liveness set heard = 1e6, watched = 1e6");
  await minutes(lab, 1440, []);
  const [row] = await lab.database.rows<{ left: number }>(
    "select heard / 1e6 as left from liveness where node = $1",
    [node.name],
  );
  assert.ok(Math.abs(row!.left - 0.5) < 0.001, `${row!.left} of it is left after a day`);
});

test("time in which no agent looked counts for nobody", async () => {
  await using lab = await watchedLab();
  const [node] = lab.nodes;
  await minutes(lab, 10, [node]);
  lab.clock.advance(30 * DAY);
  assert.equal(await sampleLiveness(lab.database, lab.clock.now()), 0, "a pause begins anew");
  assert.deepEqual(await liveness(lab, [node]), [1000]);
  await minutes(lab, 10, []);
  assert.deepEqual(
    await liveness(lab, [node]),
    [499],
    "and from then on it counts, later minutes a little more",
  );
});

test("several agents sample once, and a clock that was set back stops nobody", async () => {
  await using lab = await watchedLab();
  await lab.agent[Symbol.asyncDispose](); // which would sample, too
  lab.clock.advance(60);
  const now = lab.clock.now();
  const samples = await Promise.all(Array.from({ length: 8 }, () => sampleLiveness(lab.database, now)));
  assert.deepEqual(samples.toSorted(), [0, 0, 0, 0, 0, 0, 0, 2]);
  assert.equal(await sampleLiveness(lab.database, now + 59), 0);
  assert.equal(await sampleLiveness(lab.database, now - 3600), 0, "begins anew at the time set");
  assert.equal(await sampleLiveness(lab.database, now - 3540), 2);
});

test("a node that never reported has no history, and one sample of thousands is one statement", async () => {
  await using lab = await agentLab({ deposited: false });
  const keys = await openTicketKeys(lab.config.ticket_key, undefined);
  await enrolFleet(lab.database, keys, lab.clock, { nodes: 1000 });
  await lab.agent.look();
  await lab.agent[Symbol.asyncDispose]();
  lab.clock.advance(60);
  assert.equal(await sampleLiveness(lab.database, lab.clock.now()), 1000, "the two of the lab are new");
  const rows = await lab.database.rows("select from liveness where heard = watched");
  assert.equal(rows.length, 1000);
});
