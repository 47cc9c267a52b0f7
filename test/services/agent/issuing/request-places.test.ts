import assert from "node:assert/strict";
import { test } from "node:test";
import { ANYWHERE } from "#shared/model/slice-description.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { charges, refusal } from "../agent-lab.ts";
import { outcomes, type RequestLab, requestLab } from "../request-lab.ts";

const DISTINCT = { where: { ...ANYWHERE, distinctSites: true } };

/** The sites of its nodes, in their order: two nodes at each. */
const SITES = ["princeton", "princeton", "cornell", "cornell", "intel", "intel"];

async function placedLab(): Promise<RequestLab> {
  const lab = await requestLab();
  await lab.database.run(
    "insert into sites (name, added) select distinct s, now() from unnest($1::text[]) as s",
    [SITES],
  );
  await lab.database.run(
    "update principals p set site = s.site from unnest($1::text[], $2::text[]) as s (node, site) where p.name = s.node",
    [lab.nodes.map(({ name }) => name), SITES],
  );
  return lab;
}

test("call by call a request brings no two nodes of one site, where they are to be distinct", async () => {
  await using lab = await placedLab();
  const request = lab.request({}, DISTINCT);
  const ask = (at: number, as = request) =>
    lab.broker.client.gettickets({ request: as, nodes: [lab.nodes[at]!.name], count: 1, atleast: 1 });
  await ask(0);
  await assert.rejects(ask(1), refusal("NO_CAPACITY", /is at a site .*; ask for other sites$/));
  await ask(2);
  await assert.rejects(ask(3), refusal("NO_CAPACITY"));
  assert.equal((await lab.broker.client.gettickets({ request, count: 2, atleast: 1 })).length, 1);
  assert.equal((await charges(lab)).length, 3);
  await ask(1, lab.request({}, DISTINCT));
  const anywhere = lab.request();
  await ask(4, anywhere);
  assert.equal((await ask(5, anywhere)).length, 1, "only where they are to be");
});

test("at once, of two agents' worth, it brings one of each site, and none twice for one node", async () => {
  await using lab = await placedLab();
  await using sibling = await lab.sibling();
  const clients = [lab.broker.client, sibling.client(lab.broker)];
  const nodes = { count: 6, atleast: 1, standby: 0 };
  const request = lab.request({}, { ...DISTINCT, nodes });
  const callsUnder = (request: string, among: number) =>
    Array.from({ length: 24 }, (_, at) =>
      clients[at % 2]!.gettickets({ request, nodes: [lab.nodes[at % among]!.name], count: 1, atleast: 1 }),
    );
  const distinct = await outcomes(callsUnder(request, 6));
  assert.equal(distinct.issued.length, 3);
  assert.deepEqual(distinct.faults, ["NO_CAPACITY"]);
  const anywhere = await outcomes(callsUnder(lab.request({}, { name: "anywhere", nodes }), 2));
  assert.equal(anywhere.issued.length, 2);
  assert.deepEqual(anywhere.faults, ["NO_CAPACITY"]);
});

test("a node a request has a ticket for gets another when that counts no more, and what is left of it does not grow", async () => {
  await using lab = await placedLab();
  const [node] = lab.nodes;
  const nodes = { count: 2, atleast: 1, standby: 0 };
  const request = lab.request({}, { ...DISTINCT, nodes });
  const ask = () => lab.broker.client.gettickets({ request, nodes: [node.name], count: 1, atleast: 1 });
  const [first] = await ask();
  await assert.rejects(ask(), refusal("NO_CAPACITY", /has a ticket of this request/));
  await node.client.settletickets({ cancelled: [parseDocument(first!).id] });
  await ask();
  await assert.rejects(ask(), refusal("ALREADY_REDEEMED"));
});

test("the same call many times at once is answered with the same ticket, not refused for it", async () => {
  await using lab = await placedLab();
  await using sibling = await lab.sibling();
  const clients = [lab.broker.client, sibling.client(lab.broker)];
  const ask = {
    request: lab.request({}, DISTINCT),
    nodes: [lab.nodes[0].name],
    count: 1,
    request_id: "once",
  };
  const answers = await Promise.all(Array.from({ length: 16 }, (_, at) => clients[at % 2]!.gettickets(ask)));
  assert.equal(new Set(answers.flat()).size, 1);
  assert.equal((await charges(lab)).length, 1);
});
