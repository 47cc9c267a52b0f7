import assert from "node:assert/strict";
import { test } from "node:test";
import { loadKeyFile } from "#shared/identity/key-file.ts";
import { Fault } from "#shared/model/errors.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { openRevocations } from "#shared/wire/revocation-document.ts";
import { eventually } from "#test/support/deadline.ts";
import { DAY, NOW } from "#test/support/documents.ts";
import { revocationsBy } from "#test/support/revocations.ts";
import { type AgentLab, agentLab, audited, charges, type LabNode, refusal } from "../agent-lab.ts";
import { FACTS } from "../facts.ts";
import { administering } from "../registry/administrators.ts";
import { type StandingNode, standingNode } from "../standing-node.ts";

const WEB = { slice: "web", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };

/** Where a node of the lab answers, and its agent knows. */
async function standing(lab: AgentLab, node: LabNode): Promise<StandingNode> {
  const stands = await standingNode(node, node.ip, lab.clock);
  await node.client.deposittickets({ tickets: [], facts: { ...FACTS, sslport: stands.port } });
  return stands;
}

function authorityOf(lab: AgentLab) {
  return lab.authority.authority.key;
}

test("whoever the authority revoked is refused on its open connection, at every process, and for ever", async () => {
  await using lab = await agentLab({ loopback: true });
  await using sibling = await lab.sibling();
  await using node = await standing(lab, lab.nodes[0]);
  const there = sibling.client(lab.alice);
  await there.getslices();
  const [ticket] = await lab.alice.client.newtickets({ ...WEB, ips: [lab.nodes[0].ip] });
  const list = revocationsBy(authorityOf(lab), 5, { key: [lab.alice.name] });
  await lab.bob.client.postrevocations({ list });
  await assert.rejects(lab.alice.client.getslices(), refusal("CERTIFICATE_REVOKED"));
  await eventually(async () => {
    await assert.rejects(there.getslices(), refusal("CERTIFICATE_REVOKED")); // hears of it: it looks once an hour
    return true;
  });
  await eventually(() => node.lists.join() === list, { what: "nodes being told" });

  await assert.rejects(lab.registry.suspend("alice", false), /its key was revoked, which nobody takes back/);
  await lab.registry.suspend("bob", true);
  await lab.registry.suspend("bob", false);
  const { certPem: certificate } = await lab.authority.client("carol", { key: lab.alice.signingKey });
  await lab.database.run("update principals set label = 'before' where label = 'alice'");
  await assert.rejects(lab.registry.addPrincipal({ label: "carol", role: "pi", certificate }));
  await lab.restart();
  await assert.rejects(lab.client(lab.alice).getslices(), refusal("CERTIFICATE_REVOKED"));
  assert.deepEqual(await lab.bob.client.getrevocations({}), [list]);
  await lab.agent.scan();
  assert.ok(node.asked.includes(parseDocument(ticket!).id), "a ticket that she did not use is given back");
  assert.deepEqual(await charges(lab), []);
});

test("an administrator revokes a principal and a ticket, and the agent's own list says so, signed", async () => {
  await using lab = await agentLab({ loopback: true });
  await using node = await standing(lab, lab.nodes[0]);
  using admin = administering(lab, lab.admin);
  const { agent } = lab.agent.announce;
  const { public: identity } = await loadKeyFile(lab.config.identity.key);
  const own = () => openRevocations(node.lists.at(-1)!, identity, "agent").list;
  const [text] = await lab.bob.client.newtickets({ ...WEB, ips: [lab.nodes[0].ip] });
  const { id } = parseDocument(text!);
  await admin.api.revoketicket({ ticket: id });
  await eventually(() => node.lists.length === 1);
  assert.deepEqual(
    own().revoked.map((one) => [one.kind, one.id]),
    [["ticket", id]],
  );
  const { number } = own();
  const orders = Promise.allSettled(Array.from({ length: 12 }, () => lab.alice.client.newtickets(WEB)));
  assert.equal(await admin.api.revokeprincipal({ principal: "alice" }), lab.alice.name);
  const tickets = () => lab.database.row("select count(*) from tickets");
  const then = await tickets();
  await orders;
  assert.deepEqual(await tickets(), then, "what was not in the books when the call came back never was");
  await assert.rejects(lab.alice.client.getslices(), refusal("CERTIFICATE_REVOKED"));
  await eventually(() => node.lists.length === 2);
  assert.deepEqual(
    own().revoked.map((one) => [one.kind, one.id]),
    [
      ["principal", lab.alice.name],
      ["ticket", id],
    ],
  );
  assert.ok(own().number > number);
  assert.equal(await admin.api.revokeprincipal({ principal: "alice" }), lab.alice.name, "again is as once");
  await eventually(async () => {
    const [standings] = await admin.api.listrevocations();
    assert.deepEqual([standings!.signer, standings!.role, standings!.names], [agent, "agent", 2]);
    assert.deepEqual([standings!.nodes, standings!.untold], [2, ["node1"]]);
    return true;
  });

  await assert.rejects(admin.api.revokeprincipal({ principal: "node0" }), refusal("MALFORMED", /retired/));
  await assert.rejects(
    admin.api.revokeprincipal({ principal: "nobody" }),
    refusal("MALFORMED", /no principal/),
  );
  await assert.rejects(
    admin.api.revoketicket({ ticket: "0".repeat(64) }),
    refusal("MALFORMED", /issued no ticket/),
  );
  assert.equal(node.lists.length, 2);
  const acts = (await audited(lab)).filter((entry) => entry.startsWith("admin revoke"));
  assert.deepEqual(acts.slice(0, 2), ["admin revoke ticket ok", "admin revoke principal ok"]);

  // Once the ticket can be valid no more, the next list leaves it out.
  lab.clock.advance(3 * DAY);
  await admin.api.revokeprincipal({ principal: "bob" });
  await eventually(() => node.lists.length === 3);
  assert.deepEqual(new Set(own().revoked.map((one) => one.id)), new Set([lab.alice.name, lab.bob.name]));

  // Another is signed and given to all before it is due, so that nobody who has the latest can take it for an old one.
  const noted = async () => (await admin.api.listrevocations())[0]?.untold.join() === "node1";
  await eventually(noted, { what: "what the node said being written down" });
  await lab.agent.scan();
  assert.equal(node.lists.length, 3);
  const third = own();
  lab.clock.advance(4 * DAY);
  await lab.agent.scan();
  await eventually(() => node.lists.length === 4);
  assert.deepEqual([own().revoked, own().nextUpdate], [third.revoked, lab.clock.now() + 7 * DAY]);
  assert.ok(own().number > third.number && lab.clock.now() < third.nextUpdate!);
});

test("that the authority's next list is overdue is among what is wrong, until it comes", async () => {
  await using lab = await agentLab();
  const list = (number: number, nextUpdate: number) =>
    revocationsBy(authorityOf(lab), number, {}, { nextUpdate });
  const wrong = async () => await (await fetch(new URL("/trouble", lab.agent.announce.web))).text();
  await lab.bob.client.postrevocations({ list: list(5, NOW + DAY) });
  assert.doesNotMatch(await wrong(), /another was due/);
  lab.clock.advance(DAY + 300);
  assert.match(
    await wrong(),
    /of the authority [0-9a-f]{12}…[^<]* another was due by [^<]*slicelab authority revocations/,
  );
  await lab.bob.client.postrevocations({ list: list(6, NOW + 9 * DAY) });
  assert.doesNotMatch(await wrong(), /another was due/);
});

test("lists that are forged, foreign, older or contradicting are refused and change nothing", async () => {
  await using lab = await agentLab();
  const { client } = lab.bob;
  const authority = authorityOf(lab);
  const list = revocationsBy(authority, 5, { key: ["e".repeat(64)] });
  await client.postrevocations({ list });
  const state = () =>
    lab.database.rows(
      "select (select jsonb_agg(r) from revoked r) as r, (select jsonb_agg(l) from revocation_lists l) as l",
    );
  const before = await state();
  const key = [lab.alice.name];
  const refused: [string, Parameters<typeof refusal>[0]][] = [
    [revocationsBy(lab.bob.signingKey, 9, { principal: key }), "UNKNOWN_KEY"],
    [revocationsBy(lab.nodes[0].signingKey, 9, { key }), "UNKNOWN_KEY"],
    [list.replace("e".repeat(64), lab.alice.name), "BAD_SIGNATURE"],
    [revocationsBy(authority, 9, { principal: key }), "NO_PRIVILEGE"],
    [revocationsBy(authority, 4, { key }), "EXPIRED"],
    [revocationsBy(authority, 5, { key }), "BAD_CHAIN"],
    ["nonsense", "MALFORMED"],
  ];
  for (const [text, fault] of refused)
    await assert.rejects(client.postrevocations({ list: text }), refusal(fault));
  assert.deepEqual(await state(), before);
  assert.equal(await client.postrevocations({ list }), 1);
  const [evidence] = await lab.database.rows("select document from revocation_conflicts");
  assert.deepEqual(evidence, { document: revocationsBy(authority, 5, { key }) });
  await lab.alice.client.getslices();

  // A key that was revoked before anybody was entered with it is entered nowhere.
  const carol = await lab.authority.client("carol");
  await client.postrevocations({ list: revocationsBy(authority, 6, { key: [carol.name] }) });
  const entered = { label: "carol", role: "researcher", certificate: carol.certPem } as const;
  await assert.rejects(lab.registry.addPrincipal(entered), /that key was revoked/);
  const node = { label: "carol", certificate: carol.certPem, ip: "10.9.9.9" };
  await assert.rejects(lab.registry.addNode(node), /that key was revoked/);
});

test("nodes that are dead or hang delay no other, and are told when they are back", async () => {
  await using lab = await agentLab({ nodes: 6, loopback: true });
  const [hanging, ...well] = await Promise.all(lab.nodes.slice(0, 4).map((node) => standing(lab, node)));
  const { promise: never, resolve: letGo } = Promise.withResolvers<void>();
  hanging!.take = () => never;
  for (const dead of lab.nodes.slice(4))
    await dead.client.deposittickets({ tickets: [], facts: { ...FACTS, sslport: 1 } });
  const list = revocationsBy(authorityOf(lab), 5, { key: [lab.alice.name] });
  const began = performance.now();
  await lab.bob.client.postrevocations({ list });
  await eventually(() => well.every(({ lists }) => lists.length === 1));
  assert.ok(performance.now() - began < 4_000, "others are not waited for");
  using admin = administering(lab, lab.admin);
  const untold = async () => (await admin.api.listrevocations())[0]?.untold.length;
  await eventually(async () => (await untold()) === 3, { what: "what the others said being written down" });
  letGo();
  hanging!.take = undefined;
  await using back = await standing(lab, lab.nodes[4]!);
  await lab.agent.scan();
  assert.equal(back.lists.length, 1);
  assert.deepEqual((await admin.api.listrevocations())[0]?.untold, ["node5"]);
  assert.ok(
    well.every(({ lists }) => lists.length === 1),
    "who has it is not told again",
  );
  for (const node of [hanging!, ...well]) await node[Symbol.asyncDispose]();
});

test("whoever brings lists that say nothing new has no node called for them", async () => {
  await using lab = await agentLab({ loopback: true });
  await using node = await standing(lab, lab.nodes[0]);
  using bobs = administering(lab, lab.bob);
  node.take = () => {
    throw new Fault("BUSY", "it takes nothing just now");
  };
  const list = revocationsBy(authorityOf(lab), 5, { key: ["e".repeat(64)] });
  await lab.bob.client.postrevocations({ list });
  await eventually(() => node.lists.length === 1, { what: "the node being told" });
  for (let times = 0; times < 5; times += 1) {
    assert.equal(await lab.bob.client.postrevocations({ list }), 1);
    await assert.rejects(lab.bob.client.postrevocations({ list: "nonsense" }), refusal("MALFORMED"));
    await assert.rejects(bobs.api.revokeprincipal({ principal: "alice" }), refusal("NO_PRIVILEGE"));
  }
  await lab.agent.scan();
  assert.equal(node.lists.length, 2, "only by the scan that tells those again who have not heard");
});

test("a node says which leases its owner ended, of its own tickets alone, and the agent says why they are gone", async () => {
  await using lab = await agentLab();
  const [one, other] = lab.nodes;
  const tickets = await lab.alice.client.newtickets({ ...WEB, ntickets: 2, ips: [one.ip, other.ip] });
  const [ofOne, ofOther] = tickets.map((text) => parseDocument(text).id);
  await one.client.settletickets({ redeemed: [ofOne!] });
  await other.client.settletickets({ redeemed: [ofOther!] });
  const lease = "5".repeat(32);
  const list = (number: number, by = one) => revocationsBy(by.signingKey, number, { lease: [lease] });
  const leases = [{ lease, ticket: ofOne! }];
  const withdrawn = () => lab.database.rows("select id from tickets where withdrawn is not null");

  const alices = revocationsBy(lab.alice.signingKey, 5, { lease: [lease] });
  const keys = revocationsBy(one.signingKey, 5, { key: [lab.alice.name] });
  const unnamed = [{ lease: "6".repeat(32), ticket: ofOne! }];
  const refused = [
    [one, { list: list(5, other), leases }, "UNKNOWN_KEY"],
    [one, { list: list(5), leases: unnamed }, "MALFORMED"],
    [lab.alice, { list: alices, leases }, "NOT_PRINCIPAL"],
    [one, { list: keys, leases }, "NO_PRIVILEGE"],
  ] as const;
  for (const [{ client }, endings, name] of refused)
    await assert.rejects(client.postendings({ ...endings, leases: [...endings.leases] }), refusal(name));
  await one.client.postendings({ list: list(5), leases: [{ lease, ticket: ofOther! }] });
  assert.deepEqual(await withdrawn(), [], "of another node's ticket it has no say");

  await one.client.postendings({ list: list(6), leases });
  await one.client.postendings({ list: list(6), leases });
  await assert.rejects(one.client.postendings({ list: list(5), leases }), refusal("EXPIRED"));
  assert.deepEqual(await withdrawn(), [{ id: ofOne }]);
  assert.equal((await charges(lab)).length, 2, "capacity is free when that is settled");
  await one.client.settletickets({ ended: [ofOne!] });
  assert.equal((await charges(lab)).length, 1);
  const wrong = await (await fetch(new URL("/trouble", lab.agent.announce.web))).text();
  assert.match(wrong, /has 1 of 2 nodes[^<]*its node&#39;s owner ended the lease/);
});
