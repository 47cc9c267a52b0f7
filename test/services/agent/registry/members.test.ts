import assert from "node:assert/strict";
import { test } from "node:test";
import { Office } from "#services/agent/registry/office.ts";
import { setQuota } from "#services/agent/registry/quota.ts";
import { DAY } from "../../../support/documents.ts";
import { agentLab, audited, charges, refusal } from "../agent-lab.ts";
import { administering } from "./administrators.ts";

const ASK = { slice: "web", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };

test("a slice's members get tickets for it as its owner does, on the owner's quota, until they are put out", async () => {
  await using lab = await agentLab({ nodes: 3 });
  const on = (count: number) => ({
    ...ASK,
    ntickets: count,
    ips: lab.nodes.slice(0, count).map(({ ip }) => ip),
  });
  using admin = administering(lab, lab.admin);
  const { api } = admin;
  const member = { slice: "web", principal: "bob" };
  await assert.rejects(api.addmember(member), refusal("NO_SLICE"));
  await lab.alice.client.newtickets(on(1));
  await assert.rejects(lab.bob.client.newtickets(on(1)), refusal("NOT_PRINCIPAL", /make you a member/));
  await assert.rejects(lab.bob.client.getslice({ slice: "web" }), refusal("NOT_PRINCIPAL"));

  await api.addmember(member);
  assert.equal((await lab.bob.client.newtickets(on(1))).length, 1);
  const { owner, members, nodes } = await lab.bob.client.getslice({ slice: "web" });
  assert.deepEqual([owner, members, nodes.length], [lab.alice.name, [lab.bob.name], 1]);
  const listed = await api.listmembers({ slice: "web" });
  assert.deepEqual(listed, [
    { principal: lab.alice.name, owner: true },
    { principal: lab.bob.name, owner: false },
  ]);

  const office = new Office(lab.database, lab.clock);
  await setQuota(office, { principal: "alice" }, { slivers: 1 });
  const before = await charges(lab);
  await assert.rejects(lab.bob.client.newtickets(on(2)), refusal("QUOTA"), "what a slice has is its owner's");
  assert.deepEqual(await charges(lab), before);
  await setQuota(office, { principal: "bob" }, { slivers: 0 });
  assert.equal((await lab.bob.client.newtickets(on(1))).length, 1, "and nobody else's");

  await assert.rejects(
    api.removemember({ slice: "web", principal: "alice" }),
    refusal("MALFORMED", /alice's own; transfer it to another member first/),
  );
  await api.removemember(member);
  await assert.rejects(lab.bob.client.newtickets(on(1)), refusal("NOT_PRINCIPAL"));
  await assert.rejects(lab.bob.client.getslice({ slice: "web" }), refusal("NOT_PRINCIPAL"));
  const acts = (await audited(lab)).filter((entry) => /^admin (add|remove) member ok$/.test(entry));
  assert.deepEqual(acts, ["admin add member ok", "admin remove member ok"]);
});

test("a lost key's slice goes on: its name becomes another member's, and the old key is out, as nodes hear", async () => {
  await using lab = await agentLab({ nodes: 3 });
  using admin = administering(lab, lab.admin);
  const { api } = admin;
  await lab.alice.client.newtickets({ ...ASK, ips: [lab.nodes[0].ip] });
  await api.transferslice({ slice: "web", principal: "bob" });
  await api.removemember({ slice: "web", principal: "alice" });
  await assert.rejects(lab.alice.client.newtickets(ASK), refusal("NOT_PRINCIPAL"));
  assert.equal((await lab.bob.client.newtickets({ ...ASK, ips: [lab.nodes[0].ip] })).length, 1);
  const out = { slice: "web", principal: lab.alice.name, member: false };
  const heard = await lab.nodes[0].client.getmembers({ since: 0 });
  assert.deepEqual(heard, { latest: 1, changes: [{ number: 1, ...out }] });
  const elsewhere = await lab.nodes[1].client.getmembers({ since: 0 });
  assert.deepEqual(elsewhere, { latest: 1, changes: [] }, "who has nothing of it learns nothing of it");

  await api.transferslice({ slice: "web", principal: "alice" });
  const again = await lab.nodes[0].client.getmembers({ since: heard.latest });
  assert.deepEqual(again.changes, [{ number: 2, ...out, member: true }], "whose it is is not out");
});
