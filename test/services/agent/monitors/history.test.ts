import assert from "node:assert/strict";
import { test } from "node:test";
import { openTicketKeys } from "#services/agent/signing/ticket-keys.ts";
import { fleetHistory, nodeHistory, recordHistory } from "#services/agent/store/monitors/history.ts";
import { type AgentLab, agentLab } from "../agent-lab.ts";
import { enrolFleet } from "../fleet.ts";
import { fedLab } from "./fed-lab.ts";
import { host } from "./feed.ts";

const TURN = 300;

/** Lets time pass in which the first node reports, and records as often as it is due. */
async function pass(lab: AgentLab, turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    lab.clock.advance(TURN);
    const now = lab.clock.now();
    await lab.database.run("update nodes set heard = to_timestamp($2) where node = $1", [
      lab.nodes[0].name,
      now,
    ]);
    await recordHistory(lab.database, now);
  }
}

/** Without its rounds of its own. */
async function stoppedLab(): Promise<AgentLab> {
  const lab = await agentLab();
  await lab.agent.look();
  await lab.agent[Symbol.asyncDispose]();
  return lab;
}

test("what nodes and the fleet are is written down every five minutes, by one of several agents", async () => {
  await using lab = await agentLab();
  await lab.agent.look();
  await lab.alice.client.newtickets({ slice: "oceanstore", ntickets: 2, leaselen: 86_400, ips: "0.0.0.0" });
  await lab.agent[Symbol.asyncDispose]();
  lab.clock.advance(TURN - 1);
  assert.equal(await recordHistory(lab.database, lab.clock.now()), false, "not due");
  lab.clock.advance(1);
  const now = lab.clock.now();
  const wrote = await Promise.all(Array.from({ length: 6 }, () => recordHistory(lab.database, now)));
  assert.equal(wrote.filter(Boolean).length, 1);
  const [fleet, ...more] = await fleetHistory(lab.database, 0);
  assert.deepEqual(more, []);
  assert.deepEqual([fleet!.start, fleet!.end], [now - TURN, now]);
  assert.deepEqual(
    [fleet!.nodes, fleet!.heard, fleet!.leases, fleet!.tickets],
    [2, 0, 0, 2],
    "both silent by now",
  );
  assert.deepEqual([fleet!.issuedHourly, fleet!.redeemedHourly, fleet!.endedHourly], [24, 0, 0]);
  assert.ok(fleet!.cpuMillis >= 0 && fleet!.memoryMib > 0);
  const [node] = await nodeHistory(lab.database, lab.nodes[0].name, 0);
  assert.deepEqual([node!.heard, node!.tickets, node!.load, node!.cpuPercent], [0, 1, null, null]);
});

test("time in which no agent looked is a gap, and a clock that was set back begins anew", async () => {
  await using lab = await stoppedLab();
  await pass(lab, 2);
  lab.clock.advance(3600);
  await pass(lab, 2);
  const spans = (await nodeHistory(lab.database, lab.nodes[0].name, 0)).map(({ start, end }) => end - start);
  assert.deepEqual(spans, [TURN, TURN, TURN], "none is longer, and the one after the gap is not there");
  const now = lab.clock.now();
  assert.equal(await recordHistory(lab.database, now - 7200), false);
  assert.equal(await recordHistory(lab.database, now - 7200 + TURN), true);
});

test("after six hours it is kept by the half hour, after two days no more, and averages stay what they were", async () => {
  await using lab = await stoppedLab();
  const [steady, silent] = lab.nodes;
  await pass(lab, 7 * 12);
  const records = await nodeHistory(lab.database, steady.name, 0);
  const coarse = records.filter(({ start, end }) => end - start > TURN);
  assert.ok(
    records.length < 7 * 12 && coarse.length >= 2,
    `${records.length} records, ${coarse.length} coarse`,
  );
  const seconds = records.reduce((sum, { start, end }) => sum + end - start, 0);
  assert.equal(seconds, 7 * 3600, "none of the time is lost");
  for (const [at, { start }] of records.entries())
    assert.equal(start, at === 0 ? start : records[at - 1]!.end);
  assert.deepEqual(new Set(records.map(({ heard }) => heard)), new Set([1]));
  const quiet = await nodeHistory(lab.database, silent.name, 0);
  assert.deepEqual(new Set(quiet.map(({ heard }) => heard)), new Set([0]));
  const [fleet] = await fleetHistory(lab.database, 0);
  assert.deepEqual([fleet!.end - fleet!.start > TURN, fleet!.nodes, fleet!.heard], [true, 2, 1]);
  lab.clock.advance(2 * 86_400);
  await pass(lab, 2);
  assert.equal((await nodeHistory(lab.database, steady.name, 0)).length, 1);
  assert.equal((await fleetHistory(lab.database, 0)).length, 1);
});

test("what monitors tell of processors, memory and network is in it, and numbers that make no sense are not", async () => {
  await using fed = await fedLab();
  const { lab, feeds } = fed;
  const [node] = lab.nodes;
  const told = {
    load_one: "1.5",
    cpu_idle: "75",
    mem_total: "2097152",
    mem_available: "1048576",
    bytes_in: "125000",
  };
  feeds[0].tells([host(node.ip, { ...told, bytes_out: "-3" })]);
  lab.clock.advance(TURN - 20);
  await lab.agent.look();
  lab.clock.advance(20);
  await lab.agent.look();
  const last = (await nodeHistory(lab.database, node.name, 0)).at(-1)!;
  assert.deepEqual(
    [last.load, last.cpuPercent, last.memoryUsedMib, last.receivedKbps, last.sentKbps],
    [1.5, 25, 1024, 1000, null],
  );
});

test("a thousand nodes are written down by one statement, whatever is known of them", async () => {
  await using lab = await agentLab({ deposited: false });
  const keys = await openTicketKeys(lab.config.ticket_key, undefined);
  await enrolFleet(lab.database, keys, lab.clock, { nodes: 1000 });
  await lab.agent.look();
  await lab.agent[Symbol.asyncDispose]();
  lab.clock.advance(TURN);
  assert.equal(await recordHistory(lab.database, lab.clock.now()), true);
  const [fleet] = await fleetHistory(lab.database, 0);
  assert.equal(fleet!.nodes, 1000);
});
