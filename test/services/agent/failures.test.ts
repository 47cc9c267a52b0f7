import assert from "node:assert/strict";
import { test } from "node:test";
import { openAgentDatabase } from "#services/agent/service.ts";
import { startPostgres } from "#testbed/postgres/postgres.ts";
import { eventually } from "../../support/deadline.ts";
import { memoryDirectory } from "../../support/directory.ts";
import { DAY } from "../../support/documents.ts";
import { agentLab, charges, checkSums, refusal } from "./agent-lab.ts";

const FOUR = { slice: "princeton_dns", ntickets: 2, leaselen: DAY, ips: "0.0.0.0" as const };

test("PostgreSQL killed in mid-transaction: 600, nothing issued, and all well when it is back", async () => {
  await using directory = await memoryDirectory();
  let server = await startPostgres(directory.path, { fast: true });
  try {
    await using lab = await agentLab({ nodes: 3, databaseUrl: await server.createDatabase("agent") });
    const kept = await lab.alice.client.newtickets({ ...FOUR, slice: "kept", request_id: "kept" });
    const other = openAgentDatabase(lab.config.database);
    const blocking = other.transaction(async (tx) => {
      await tx.run("select from accounts for update");
      const calls = Array.from({ length: 4 }, (_, at) =>
        assert.rejects(
          lab.alice.client.newtickets({ ...FOUR, slice: `s${at}`, request_id: `s${at}` }),
          refusal("STORE_DOWN"),
        ),
      );
      await eventually(async () => {
        const rows = await lab.database.rows("select from pg_stat_activity where wait_event_type = 'Lock'");
        return rows.length >= 4;
      });
      process.kill(server.pid, "SIGQUIT"); // immediate shutdown: nobody says goodbye
      await Promise.all(calls);
    });
    await assert.rejects(blocking);
    await server.ended;
    await assert.rejects(lab.alice.client.newtickets(FOUR), refusal("STORE_DOWN"));
    await assert.rejects(lab.alice.client.getads(), refusal("STORE_DOWN"));
    assert.equal(
      (await lab.alice.client.getconfig()).maxlease,
      28 * DAY,
      "what needs no database still answers",
    );
    const page = await fetch(lab.agent.announce.web);
    assert.equal(page.status, 503);

    await server[Symbol.asyncDispose]();
    server = await startPostgres(directory.path, { fast: true });
    const again = await eventually(async () =>
      lab.alice.client.newtickets({ ...FOUR, slice: "s0", request_id: "s0" }),
    );
    assert.equal(again.length, 2);
    assert.deepEqual(await lab.alice.client.newtickets({ ...FOUR, slice: "kept", request_id: "kept" }), kept);
    assert.equal((await charges(lab)).length, 4);
    await checkSums(lab);
    await other[Symbol.asyncDispose]();
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

test("a clock that runs behind what was recorded issues nothing", async () => {
  await using lab = await agentLab();
  await lab.alice.client.newtickets(FOUR);
  lab.clock.set(lab.clock.now() - 3600);
  await lab.restart();
  await assert.rejects(lab.alice.client.newtickets({ ...FOUR, slice: "two" }), refusal("CLOCK_UNSURE"));
  lab.clock.advance(3600);
  assert.equal((await lab.alice.client.newtickets({ ...FOUR, slice: "two" })).length, 2);
});

test("a new ticket key takes over while the one before it still signs what it was given", async () => {
  await using lab = await agentLab();
  const [ticket] = await lab.alice.client.newtickets({ ...FOUR, ntickets: 1 });
  const { ticket_key } = lab.config;
  Object.assign(lab.config, { ticket_key: `${ticket_key}.next`, previous_ticket_key: ticket_key });
  await lab.restart();
  assert.notEqual((await lab.alice.client.getconfig()).ticket_key, lab.ticketKey.toString("base64"));
  assert.deepEqual(await lab.alice.client.gettickets(), [ticket]);
  assert.equal((await lab.alice.client.newtickets({ ...FOUR, ntickets: 1 })).length, 1);
});
