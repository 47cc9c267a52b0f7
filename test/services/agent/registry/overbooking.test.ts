import assert from "node:assert/strict";
import { test } from "node:test";
import { Granting } from "#services/agent/holdings/granting.ts";
import { Office } from "#services/agent/registry/office.ts";
import { overbookNode } from "#services/agent/registry/standing.ts";
import { openTicketKeys } from "#services/agent/signing/ticket-keys.ts";
import type { AdvertisementStruct } from "#shared/wire/agent-api.ts";
import { DAY, KEYS } from "../../../support/documents.ts";
import { type AgentLab, agentLab, charges, checkSums, lockWaits, opened, refusal } from "../agent-lab.ts";
import { administering } from "./administrators.ts";

async function advertised(lab: AgentLab, ip: string): Promise<[factor: number, free: number]> {
  const ads = (await lab.alice.client.getads({ limit: 10 })) as AdvertisementStruct[];
  const ad = ads.find((one) => one.ip === ip)!;
  return [ad.overbooking, ad.free.slivers];
}

test("a node's own factor is advertised, counted and said in its tickets; others keep the agent's", async () => {
  await using lab = await agentLab({ share: { slivers: 4 }, config: { overbooking: 1250 } });
  using admin = administering(lab, lab.admin);
  const [node, other] = lab.nodes;
  const ask = (slice: string, ip = node.ip) =>
    lab.alice.client.newtickets({ slice, ntickets: 1, leaselen: DAY, ips: [ip] });
  await admin.api.overbooknode({ node: node.ip, overbooking: 1500 });
  assert.deepEqual(await advertised(lab, node.ip), [1500, 6]);
  assert.deepEqual(await advertised(lab, other.ip), [1250, 5]);
  const listed = await admin.api.listnodes({});
  assert.deepEqual(
    listed.map(({ overbooking }) => overbooking),
    [1500, null],
  );
  for (let at = 0; at < 6; at++) {
    const [text] = await ask(`s${at}`);
    assert.equal(opened(node, text!).ticket.overbooking, 1500);
  }
  await assert.rejects(ask("more"), refusal("NO_CAPACITY", /0 of 1 slivers left/));
  const [text] = await ask("elsewhere", other.ip);
  assert.equal(opened(other, text!).ticket.overbooking, 1250);

  // Lowered below what is issued: that goes on, and nothing new is issued until there is room again.
  await admin.api.overbooknode({ node: node.name, overbooking: 1000 });
  assert.deepEqual(await advertised(lab, node.ip), [1000, 0]);
  assert.equal((await charges(lab)).length, 7);
  await end(lab, 2);
  await assert.rejects(ask("more"), refusal("NO_CAPACITY", /0 of 1 slivers left/));
  await end(lab, 1);
  const [again] = await ask("more");
  assert.equal(opened(node, again!).ticket.overbooking, 1000);

  await admin.api.overbooknode({ node: "node0" });
  assert.deepEqual(await advertised(lab, node.ip), [1250, 1]);
  for (const overbooking of [999, 10_001, 1500.5])
    await assert.rejects(admin.api.overbooknode({ node: "node0", overbooking }), refusal("MALFORMED"));
  await checkSums(lab);
});

/** So many tickets of the first node end, as it would say. */
async function end({ database, nodes: [node] }: AgentLab, count: number): Promise<void> {
  await database.run(
    `update tickets set state = 'ended', settled = now()
     where id in (select id from tickets where state = 'issued' and node = $1 order by slice limit $2)`,
    [node.name, count],
  );
}

test("a factor that changes in mid-request is so before or after: never a ticket beyond it, nor one that says another", async () => {
  await using lab = await agentLab({ share: { slivers: 2 } });
  const [node] = lab.nodes;
  const office = new Office(lab.database, lab.clock);
  const ask = (slice: string) =>
    lab.alice.client.newtickets({ slice, ntickets: 1, leaselen: DAY, ips: [node.ip] });
  await overbookNode(office, node.ip, 1500);
  await ask("one");
  await ask("two");
  // The call has seen room for a third, and waits where it issues for whoever takes it away.
  let asked: Promise<string[]> | undefined;
  await lab.database.transaction(async (tx) => {
    await tx.rows("select from accounts where node = $1 for update", [node.name]);
    await tx.run("update nodes set overbooking = 1000 where node = $1", [node.name]);
    asked = ask("three");
    asked.catch(() => undefined); // looked at below
    await lockWaits(lab, 1);
  });
  await assert.rejects(asked!, refusal("NO_CAPACITY"));
  // Raised meanwhile: there is room either way, and the ticket says what it was counted by.
  await lab.database.transaction(async (tx) => {
    await tx.run("update nodes set overbooking = 1500 where node = $1", [node.name]);
  });
  await lab.database.transaction(async (tx) => {
    await tx.rows("select from accounts where node = $1 for update", [node.name]);
    await tx.run("update nodes set overbooking = 3000 where node = $1", [node.name]);
    asked = ask("three");
    await lockWaits(lab, 1);
  });
  const [text] = await asked!;
  assert.equal(opened(node, text!).ticket.overbooking, 3000);
  // The other order: what is being issued comes first, and whoever sets the factor waits for it.
  let set: Promise<void> | undefined;
  await lab.database.transaction(async (tx) => {
    await tx.run("lock table tickets in share mode");
    asked = ask("four");
    await lockWaits(lab, 1);
    set = overbookNode(office, node.ip, 1000);
    await lockWaits(lab, 2);
  });
  const [fourth] = await asked!;
  assert.equal(opened(node, fourth!).ticket.overbooking, 3000);
  await set;
  await assert.rejects(ask("five"), refusal("NO_CAPACITY"));
});

test("a node suspended in mid-request is so before or after: no ticket is issued once it is done", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  const ask = (slice: string) =>
    lab.alice.client.newtickets({ slice, ntickets: 1, leaselen: DAY, ips: [node.ip] });
  let asked: Promise<string[]> | undefined;
  await lab.database.transaction(async (tx) => {
    await tx.rows("select from accounts where node = $1 for update", [node.name]);
    await tx.run("update principals set suspended = true where name = $1", [node.name]);
    asked = ask("web");
    asked.catch(() => undefined); // looked at below
    await lockWaits(lab, 1);
  });
  await assert.rejects(asked!, refusal("NO_CAPACITY", /suspended/));
  assert.deepEqual(await charges(lab), []);
  await lab.registry.suspend(node.name, false);
  let suspended: Promise<void> | undefined;
  await lab.database.transaction(async (tx) => {
    await tx.run("lock table tickets in share mode");
    asked = ask("web");
    await lockWaits(lab, 1);
    suspended = lab.registry.suspend(node.name, true);
    await lockWaits(lab, 2);
  });
  assert.equal((await asked!).length, 1, "it was there first");
  await suspended;
  await assert.rejects(ask("late"), refusal("NO_CAPACITY", /suspended/));
});

test("what is handed on to another agent counts by the node's factor and says it; of a drained node nothing is, nor in mid-act", async () => {
  await using lab = await agentLab({ share: { slivers: 10 } });
  const { database, clock } = lab;
  const [node] = lab.nodes;
  const office = new Office(database, clock);
  const keys = await openTicketKeys(lab.config.ticket_key);
  const granting = new Granting({ database, keys, clock, overbooking: 1000 });
  const to = { ticketKey: KEYS.branch.public, identity: KEYS.bob.public.name };
  const share = () => ({ cpuMillis: 0, memoryMib: 1, diskMib: 1, egressKbps: 0, slivers: 8 });
  const grant = () => granting.grant({ node: node.name, to, ports: [], mayHandOn: false, share });
  assert.equal((await grant()).ticket.overbooking, 1000);
  await assert.rejects(grant(), refusal("NO_CAPACITY", /2 of 8 slivers/));
  await overbookNode(office, node.ip, 2000);
  assert.equal((await grant()).ticket.overbooking, 2000);
  // Each has found the node serving, and waits for whoever is about to set its factor, or to drain it.
  for (const [change, sentence] of [
    ["overbooking = 5000", /factor of overbooking was just changed/],
    ["drained = now()", /drained or suspended/],
  ] as const) {
    let granted: Promise<unknown> | undefined;
    await database.transaction(async (tx) => {
      await tx.rows("select from accounts where node = $1 for update", [node.name]);
      await tx.run(`update nodes set ${change} where node = $1`, [node.name]);
      granted = grant();
      granted.catch(() => undefined); // looked at below
      await lockWaits(lab, 1);
    });
    await assert.rejects(granted!, sentence);
  }
  await assert.rejects(grant(), /nothing is held on that node now/);
  await checkSums(lab);
});
