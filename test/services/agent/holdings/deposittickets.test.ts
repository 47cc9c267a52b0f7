import assert from "node:assert/strict";
import { test } from "node:test";
import { generateSigningKey } from "#shared/identity/key-file.ts";
import type { Holding } from "#shared/model/ticket.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { DAY, HOUR, NOW, type Sealed, seal, serial } from "../../../support/documents.ts";
import { type AgentLab, agentLab, audited, checkSums, refusal } from "../agent-lab.ts";
import { FACTS } from "../facts.ts";

const FOUR = { slice: "princeton_dns", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };

async function accounts({ database }: AgentLab): Promise<number[]> {
  const rows = await database.rows<{ holdings: number }>(
    "select count(*) as holdings from holdings group by account order by account",
  );
  return rows.map((row) => row.holdings);
}

/** Takes every sliver of a node that can be had for a day's lease. */
async function fill(lab: AgentLab, ip: string): Promise<string[]> {
  for (const tickets: string[] = []; ; ) {
    try {
      const slice = `s${tickets.length}`;
      tickets.push(...(await lab.alice.client.newtickets({ ...FOUR, slice, ips: [ip] })));
    } catch (error) {
      refusal("NO_CAPACITY")(error);
      return tickets;
    }
  }
}

test("a root is taken with its node's facts, once however often it comes, and known after a restart", async () => {
  await using lab = await agentLab({ deposited: false });
  const [node] = lab.nodes;
  const root = await node.deposit();
  await node.deposit(root);
  assert.deepEqual(await accounts(lab), [1]);
  assert.deepEqual((await audited(lab)).slice(-1), ["node0 deposittickets ok"]);
  await lab.restart();
  await node.deposit(root);
  assert.deepEqual(await accounts(lab), [1]);
  const [ad] = await lab.alice.client.getads({ ips: [node.ip] });
  assert.ok(typeof ad === "object");
  assert.equal(ad.sslport, FACTS.sslport);
  assert.deepEqual(ad.engines, ["simulated"]);
  assert.equal(ad.simulated, true);
});

test("only the node itself deposits its root, and says what it is", async () => {
  await using lab = await agentLab({ deposited: false });
  const [node, other] = lab.nodes;
  const tickets = [node.root().text];
  for (const client of [other.client, lab.alice.client]) {
    await assert.rejects(client.deposittickets({ tickets }), refusal("NOT_PRINCIPAL", /its own node/));
  }
  await assert.rejects(
    lab.alice.client.deposittickets({ tickets: [], facts: FACTS }),
    refusal("NOT_PRINCIPAL", /node/),
  );
  const stranger = lab.client(await lab.authority.client("carol"));
  await assert.rejects(stranger.deposittickets({ tickets }), refusal("NOT_PRINCIPAL", /does not know/));
  assert.deepEqual(await accounts(lab), []);
});

test("a node that no administrator accepted, or one that is suspended, gives nothing", async () => {
  await using lab = await agentLab({ deposited: false });
  const [node, other] = lab.nodes;
  const unknown = await generateSigningKey({ type: "ed25519" });
  const { name } = unknown.public;
  const root = seal({ ...node.root().ticket, node: name, issuer: name }, unknown);
  await assert.rejects(node.client.deposittickets({ tickets: [root.text] }), refusal("UNKNOWN_KEY"));
  await lab.registry.suspend("node1", true);
  await assert.rejects(other.deposit(), refusal("SUSPENDED"));
});

test("a root for another address, another agent's key, or outside its validity is refused", async () => {
  await using lab = await agentLab({ deposited: false });
  const [node] = lab.nodes;
  const key = (await generateSigningKey({ type: "ed25519" })).public;
  const theirs = { principal: key.name, principleSha1: key.sha1, principalKey: key.spki };
  const past = { start: NOW - 2 * DAY, end: NOW - DAY };
  const future = { start: NOW + DAY, end: NOW + 2 * DAY };
  await assert.rejects(node.deposit(node.root({ ip: "10.77.0.9" })), refusal("WRONG_NODE", /registered at/));
  await assert.rejects(node.deposit(node.root(theirs)), refusal("NOT_PRINCIPAL", /ticket key/));
  await assert.rejects(node.deposit(node.root({ validity: past })), refusal("EXPIRED"));
  await assert.rejects(node.deposit(node.root({ validity: future })), refusal("NOT_YET_VALID"));
  assert.deepEqual(await accounts(lab), []);
});

test("a root that is altered anywhere, or signed by another, is refused", async () => {
  await using lab = await agentLab({ deposited: false });
  const [node, other] = lab.nodes;
  const { text, ticket } = node.root();
  await assert.rejects(
    node.deposit({ ...node.root(), text: text.replace("<slivers>64", "<slivers>65") }),
    refusal("BAD_SIGNATURE"),
  );
  await assert.rejects(node.deposit(seal(ticket, other.signingKey)), refusal("WRONG_NODE"));
  await assert.rejects(node.deposit({ ...node.root(), text: "nothing" }), refusal("MALFORMED"));
  assert.deepEqual(await accounts(lab), []);
});

test("one bad ticket among good ones: none is taken", async () => {
  await using lab = await agentLab({ deposited: false });
  const [node] = lab.nodes;
  const tickets = [node.root().text, node.root({ serial: serial(9), ip: "10.0.0.9" }).text];
  await assert.rejects(node.client.deposittickets({ tickets }), refusal("WRONG_NODE"));
  assert.deepEqual(await accounts(lab), []);
});

test("a renewed root shares the account of what it replaces, in whatever order they come", async () => {
  await using lab = await agentLab({ deposited: false, share: { slivers: 3 } });
  const [node, other] = lab.nodes;
  for (const [{ root, deposit, ip }, order] of [
    [node, [0, 1, 2]],
    [other, [2, 0, 1]],
  ] as const) {
    const first = root({ serial: serial(10) });
    const second = root({ serial: serial(11), replaces: first.id });
    const third = root({ serial: serial(12), replaces: second.id });
    for (const at of order) await deposit([first, second, third][at]!);
    assert.equal((await fill(lab, ip)).length, 3);
  }
  assert.deepEqual(await accounts(lab), [3, 3]);
});

test("a root whose predecessor this agent never got is no second share", async () => {
  await using lab = await agentLab({ deposited: false, share: { slivers: 2 } });
  const [node] = lab.nodes;
  const first = node.root({ serial: serial(10) });
  const missed = node.root({ serial: serial(11), replaces: first.id });
  await node.deposit(first);
  await node.deposit(node.root({ serial: serial(12), replaces: missed.id }));
  assert.deepEqual(await accounts(lab), [2]);
  assert.equal((await fill(lab, node.ip)).length, 2);
  await node.deposit(missed);
  assert.deepEqual(await accounts(lab), [3]);
  await checkSums(lab);
});

test("accounts that an earlier version opened apart are one when the root comes again, with all that was issued under both", async () => {
  await using lab = await agentLab({ deposited: false, share: { slivers: 2 } });
  const [node] = lab.nodes;
  const second = node.root({ serial: serial(11) });
  await node.deposit(node.root({ serial: serial(10) }));
  await node.deposit(second);
  await lab.database.rows(
    `with apart as (insert into accounts (node) select node from holdings where id = $1 returning id)
     update holdings set account = (select id from apart) where id = $1`,
    [second.id],
  );
  assert.deepEqual(await accounts(lab), [1, 1]);
  const tickets = await fill(lab, node.ip);
  assert.equal(tickets.length, 4);
  await node.deposit(second);
  assert.deepEqual(await accounts(lab), [2]);
  await checkSums(lab);
  const unredeemed = tickets.map((text) => parseDocument(text).id);
  await node.client.settletickets({ unredeemed: unredeemed.slice(0, 2) });
  assert.equal((await fill(lab, node.ip)).length, 0, "it was overdrawn by two");
  await node.client.settletickets({ unredeemed });
  assert.equal((await fill(lab, node.ip)).length, 2);
});

test("the limit at an instant is the larger of the roots in term: a larger renewal counts from its start", async () => {
  await using lab = await agentLab({ deposited: false });
  const [node] = lab.nodes;
  const small = node.root({ resources: { ...node.root().ticket.resources, slivers: 1 } });
  await node.deposit(small);
  assert.equal((await fill(lab, node.ip)).length, 1);
  const later = { start: NOW + 3 * HOUR, end: NOW + 400 * DAY };
  const large = node.root({
    term: later,
    replaces: small.id,
    resources: { ...node.root().ticket.resources, slivers: 3 },
  });
  await node.deposit(large);
  assert.equal((await fill(lab, node.ip)).length, 0, "it has not begun");
  lab.clock.advance(3 * HOUR);
  await node.client.settletickets({});
  assert.equal((await fill(lab, node.ip)).length, 2);
  await checkSums(lab);
});

test("roots of a node that lost its store, and names none that they replace, are one account", async () => {
  await using lab = await agentLab({ deposited: false, share: { slivers: 1 } });
  const [node] = lab.nodes;
  await node.deposit(node.root({ serial: serial(20) }));
  await node.deposit(node.root({ serial: serial(21) }));
  assert.deepEqual(await accounts(lab), [2]);
  assert.equal((await fill(lab, node.ip)).length, 1);
});

test("a holding split below the root is taken from whoever has it, and its tickets carry both above", async () => {
  await using lab = await agentLab({ deposited: false });
  const [node] = lab.nodes;
  const branch = await generateSigningKey({ type: "ed25519" });
  const theirs = branch.public;
  const above = node.root({ principal: theirs.name, principleSha1: theirs.sha1, principalKey: theirs.spki });
  const below: Sealed<Holding> = seal(
    { ...node.root().ticket, serial: serial(30), parent: above.id, issuer: theirs.name, splits: 2 },
    branch,
    above.lineage,
  );
  await lab.bob.client.deposittickets({ tickets: [below.text] });
  const [text] = await lab.alice.client.newtickets({ ...FOUR, ips: [node.ip] });
  assert.equal(text!.split("\n").filter((line) => line.startsWith("parent-base64: ")).length, 2);
});

test("nobody fills an agent's books with roots of one node, or with what others split from them", async () => {
  await using lab = await agentLab({ deposited: false });
  const [node] = lab.nodes;
  const branch = await generateSigningKey({ type: "ed25519" });
  const theirs = branch.public;
  const above = node.root({ principal: theirs.name, principleSha1: theirs.sha1, principalKey: theirs.spki });
  const split = (at: number) =>
    seal(
      { ...node.root().ticket, serial: serial(at), parent: above.id, issuer: theirs.name, splits: 2 },
      branch,
      above.lineage,
    ).text;
  await lab.bob.client.deposittickets({ tickets: Array.from({ length: 64 }, (_, at) => split(300 + at)) });
  await assert.rejects(lab.bob.client.deposittickets({ tickets: [split(400)] }), refusal("QUOTA"));
  const tickets = Array.from({ length: 64 }, (_, at) => node.root({ serial: serial(100 + at) }).text);
  await node.client.deposittickets({ tickets });
  await assert.rejects(node.deposit(node.root({ serial: serial(200) })), refusal("QUOTA"));
});
