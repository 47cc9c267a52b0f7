import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDocument } from "#shared/wire/document.ts";
import { DAY } from "../../../support/documents.ts";
import { type AgentLab, agentLab, audited, charges, checkSums, refusal } from "../agent-lab.ts";

const FOUR = { slice: "princeton_dns", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };

/** A ticket for a node, and its id. */
async function ticketFor(lab: AgentLab, ip: string, slice = "princeton_dns"): Promise<string> {
  const [text] = await lab.alice.client.newtickets({ ...FOUR, slice, ips: [ip] });
  return parseDocument(text!).id;
}

async function states({ database }: AgentLab): Promise<string[]> {
  const rows = await database.rows<{ state: string }>("select state from tickets order by issued, slice");
  return rows.map((row) => row.state);
}

test("redeemed counts on; ended, unredeemed and cancelled free at once", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  const ids: string[] = [];
  for (const slice of ["a", "b", "c", "d"]) ids.push(await ticketFor(lab, node.ip, slice));
  const [redeemed, unredeemed, cancelled, ended] = ids as [string, string, string, string];
  await node.client.settletickets({ redeemed: [redeemed, ended] });
  assert.equal((await charges(lab)).length, 4);
  await node.client.settletickets({ unredeemed: [unredeemed], cancelled: [cancelled], ended: [ended] });
  assert.deepEqual(await charges(lab), [`a on ${node.ip}`]);
  assert.deepEqual(await states(lab), ["redeemed", "unredeemed", "cancelled", "ended"]);
  assert.deepEqual((await audited(lab)).filter((entry) => entry.includes("settle")).length, 2);
  await checkSums(lab);
});

test("in any order, repeated and late, the outcome is the same", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  const id = await ticketFor(lab, node.ip);
  await node.client.settletickets({ ended: [id] });
  await node.client.settletickets({ redeemed: [id] });
  await node.client.settletickets({ ended: [id], redeemed: [id] });
  await node.client.settletickets({ unredeemed: [id] });
  assert.deepEqual(await states(lab), ["ended"]);
  assert.deepEqual(await charges(lab), []);
  const next = await ticketFor(lab, node.ip);
  await Promise.all(Array.from({ length: 16 }, () => node.client.settletickets({ ended: [next] })));
  assert.deepEqual(await charges(lab), []);
  await checkSums(lab);
});

test("a node settles its own tickets only, and nobody else settles anything", async () => {
  await using lab = await agentLab();
  const [node, other] = lab.nodes;
  const own = await ticketFor(lab, other.ip, "own");
  const id = await ticketFor(lab, node.ip);
  await assert.rejects(
    other.client.settletickets({ ended: [own, id] }),
    refusal("NOT_PRINCIPAL", /another node/),
  );
  await assert.rejects(lab.alice.client.settletickets({ ended: [id] }), refusal("NOT_PRINCIPAL"));
  await assert.rejects(lab.alice.client.settletickets({}), refusal("NOT_PRINCIPAL", /no such node/));
  assert.equal((await charges(lab)).length, 2);
});

test("ids that were never issued are ignored", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  assert.equal(await node.client.settletickets({ ended: ["0".repeat(64)], redeemed: ["f".repeat(64)] }), 1);
  await assert.rejects(node.client.settletickets({ ended: ["no"] }), refusal("MALFORMED"));
});

test("every call, an empty one too, is when its node was last heard", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  lab.clock.advance(40);
  await node.client.settletickets({});
  const ads = await lab.alice.client.getads({ ips: [node.ip] });
  assert.deepEqual(
    ads.map((ad) => typeof ad === "object" && ad.heard),
    ["2030-01-01 12:00:40"],
  );
  assert.ok(!(await audited(lab)).some((entry) => entry.includes("settle")), "a heartbeat is no deed");
});

test("what ended by time counts no more, and the scan closes its books though nobody says so", async () => {
  await using lab = await agentLab();
  const [node, other] = lab.nodes;
  const redeemed = await ticketFor(lab, node.ip, "redeemed");
  await ticketFor(lab, other.ip, "forgotten");
  await node.client.settletickets({ redeemed: [redeemed] });
  lab.clock.advance(2 * DAY + 300);
  assert.deepEqual(await lab.alice.client.getslices(), []);
  await lab.agent.scan();
  assert.equal((await charges(lab)).length, 2);
  lab.clock.advance(1);
  await lab.agent.scan();
  assert.deepEqual(await charges(lab), []);
  await checkSums(lab);
});

test("create and delete 60 times: the books end where they began", async () => {
  await using lab = await agentLab({ nodes: 3, share: { slivers: 2 } });
  const before = await lab.database.rows("select * from accounts order by id");
  for (let round = 0; round < 60; round++) {
    const texts = await lab.alice.client.newtickets({ ...FOUR, ntickets: 3 });
    const tickets = texts.map((text) => parseDocument(text));
    await Promise.all(
      lab.nodes.map(async (node) => {
        const ids = tickets.filter((t) => t.body.includes(`<ip>${node.ip}</ip>`)).map(({ id }) => id);
        if (round % 2 === 0) await node.client.settletickets({ redeemed: ids });
        await node.client.settletickets(round % 3 === 0 ? { cancelled: ids } : { ended: ids });
      }),
    );
  }
  assert.deepEqual(await charges(lab), []);
  assert.deepEqual(await lab.database.rows("select * from accounts order by id"), before);
  assert.deepEqual(await lab.alice.client.getslices(), []);
  assert.equal((await states(lab)).length, 180);
});
