import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import type { KeyName } from "#shared/identity/key.ts";
import { testAuthority } from "#test/support/authority.ts";
import { eventually } from "#test/support/deadline.ts";
import { KEYS, NOW } from "#test/support/documents.ts";
import { revocationsBy } from "#test/support/revocations.ts";
import { hang } from "../lab/faulty-backend.ts";
import { type NodeLab, nodeLab, sshKey } from "../lab/node-lab.ts";
import { assertRefused } from "../lab/refusal.ts";
import { auditOf, reading } from "../lab/store-dump.ts";

const alice: KeyName = KEYS.alice.public.name;

function authorityOf(lab: NodeLab) {
  return lab.authority.authority.key;
}

/** What is leased, once it is no more than this. */
async function leased(lab: NodeLab, ...slices: string[]): Promise<void> {
  await eventually(async () => (await lab.bob.getslivers()).join() === slices.join(), {
    what: `only ${slices.join()} being leased`,
  });
  await eventually(async () => (await lab.backend.list()).length === slices.length);
}

async function ofBob(lab: NodeLab, slice: string) {
  return await lab.ticket({ slice, to: KEYS.bob });
}

test("whoever the authority revoked is refused on its open connection, and its leases end, also after a restart", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket({ slice: "of_alice" });
  await lab.alice.newlease({ ticketdata: ticket.text });
  await lab.bob.newlease({ ticketdata: (await ofBob(lab, "of_bob")).text });
  const list = revocationsBy(authorityOf(lab), 5, { key: [alice] });
  assert.equal(await lab.bob.postrevocations({ list }), 1);
  await assert.rejects(lab.alice.getslivers(), /^CERTIFICATE_REVOKED/);
  await leased(lab, "of_bob");
  await eventually(() => lab.agent.eventsOf(ticket.id).at(-1) === "ended", { what: "capacity coming back" });
  const audited = auditOf(lab.state).map(({ action }) => action);
  assert.deepEqual(
    ["revocations taken", "lease revoked", "sliver removed"].filter((action) => audited.includes(action))
      .length,
    3,
  );

  await lab.agent.goAway();
  await lab.restart();
  await assert.rejects(lab.alice.getslivers(), /^CERTIFICATE_REVOKED/);
  await leased(lab, "of_bob");
  assert.equal(await lab.bob.postrevocations({ list }), 1, "again is the same as once");
});

test("a list that is overdue is told of, and new leases of whom it is about are refused only where the owner wants that", async () => {
  await using lab = await nodeLab();
  const list = (number: number, nextUpdate: number) =>
    revocationsBy(authorityOf(lab), number, {}, { nextUpdate });
  await lab.bob.postrevocations({ list: list(5, NOW + 60) });
  const page = async () => await (await fetch(lab.node.webUrl)).text();
  assert.doesNotMatch(await page(), /another was due/);
  lab.clock.advance(60 + 300);
  assert.match(await page(), /list of revocations of the authority [0-9a-f]{12}…[^<]* another was due by 2/);
  await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice: "before" })).text });

  Object.assign(lab.config, { overdueRevocations: "refuse" });
  await lab.restart();
  const ticket = await lab.ticket({ slice: "web" });
  const redeem = () => lab.alice.newlease({ ticketdata: ticket.text });
  await assertRefused(lab, redeem, "EXPIRED", /lacks the latest list of revocations of the authority/);
  await assertRefused(
    lab,
    () => lab.alice.renewlease({ slice: "before" }),
    "EXPIRED",
    /lacks the latest list/,
  );
  await leased(lab, "before");
  await lab.bob.postrevocations({ list: list(6, NOW + 86_400) });
  await redeem();
  await lab.alice.renewlease({ slice: "before" });

  lab.agents.push({ ...lab.agents[0]!, identity: KEYS.bob.public.name });
  await lab.restart();
  const soon = { nextUpdate: lab.clock.now() + 60 };
  await lab.bob.postrevocations({ list: revocationsBy(KEYS.bob, 1, {}, soon) });
  lab.clock.advance(60 + 300);
  await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice: "unharmed" })).text });
  await lab.alice.renewlease({ slice: "before" });
  const ofIssuer = revocationsBy(lab.agentIdentity.signingKey, 1, {}, soon);
  await lab.clientOf(lab.agentIdentity).postrevocations({ list: ofIssuer });
  const further = await lab.ticket({ slice: "further" });
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: further.text }),
    "EXPIRED",
    /lacks the latest list of revocations of the agent/,
  );
  await assertRefused(lab, () => lab.alice.renewlease({ slice: "before" }), "EXPIRED", /of the agent/);
});

test("an agent's list ends what it gave a principal, and makes nobody a stranger to the node", async () => {
  await using lab = await nodeLab();
  const agent = lab.clientOf(lab.agentIdentity);
  const [kept, given] = [await ofBob(lab, "of_bob"), await lab.ticket({ slice: "of_alice" })];
  await lab.alice.newlease({ ticketdata: given.text });
  await lab.bob.newlease({ ticketdata: kept.text });
  const key = lab.agentIdentity.signingKey;
  await agent.postrevocations({ list: revocationsBy(key, 1, { principal: [alice] }) });
  await leased(lab, "of_bob");
  assert.deepEqual(await lab.alice.getslivers(), ["of_bob"], "who alice is, is not for the agent to say");
  const further = await lab.ticket({ slice: "again" });
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: further.text }), "REVOKED", /principal/);
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: given.text }), "REVOKED");

  await agent.postrevocations({ list: revocationsBy(key, 2, { principal: [alice], ticket: [kept.id] }) });
  await leased(lab);
  await assertRefused(lab, () => lab.bob.newlease({ ticketdata: kept.text }), "REVOKED", /ticket/);
  await lab.bob.newlease({ ticketdata: (await ofBob(lab, "of_bob")).text });
});

test("a lease ends when no ticket is left that it counts under, and is not renewed with a revoked one", async () => {
  await using lab = await nodeLab();
  const agent = lab.clientOf(lab.agentIdentity);
  const key = lab.agentIdentity.signingKey;
  const slice = "princeton_dns";
  const first = await lab.ticket();
  const { term } = first.ticket;
  await lab.alice.newlease({ ticketdata: first.text });
  const later = { start: term.end, end: term.end + 86_400 };
  const more = { term: later, renewableUntil: later.end + 86_400 };
  const [second, third] = [
    await lab.ticket(more),
    await lab.ticket({ ...more, term: { ...later, end: later.end + 9 } }),
  ];
  await lab.alice.renewlease({ slice, ticketdata: second.text });
  await agent.postrevocations({ list: revocationsBy(key, 1, { ticket: [first.id, third.id] }) });
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.alice.getslivers(), [slice], "the second ticket is as good as before");
  await lab.alice.renewlease({ slice });
  await assertRefused(lab, () => lab.alice.renewlease({ slice, ticketdata: third.text }), "REVOKED");
  await agent.postrevocations({ list: revocationsBy(key, 2, { ticket: [first.id, second.id] }) });
  await leased(lab);
});

test("a lease goes on for its other members, and who is revoked is put out of it, also where slivers are suspended", async () => {
  await using lab = await nodeLab({ config: { revokedLeases: "suspend" } });
  const agent = lab.clientOf(lab.agentIdentity);
  const shared = { slice: "shared", resources: { cpuMillis: 0, memoryMib: 1, diskMib: 1, egressKbps: 0 } };
  await lab.alice.newlease({ ticketdata: (await lab.ticket(shared)).text });
  await lab.bob.renewlease({
    slice: "shared",
    ticketdata: (await lab.ticket({ ...shared, to: KEYS.bob })).text,
  });
  await lab.alice.addkey({ slice: "shared", key: sshKey() });
  await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice: "alone" })).text });
  const key = lab.agentIdentity.signingKey;
  await agent.postrevocations({ list: revocationsBy(key, 1, { principal: [alice] }) });
  await eventually(
    async () => (await lab.backend.list()).filter(({ state }) => state === "running").length === 1,
  );
  assert.deepEqual(await lab.bob.getslivers(), ["alone", "shared"], "one is stopped, and kept until it ends");
  assert.deepEqual((await lab.bob.getstatus({ slice: "shared" })).members, [KEYS.bob.public.name]);
  assert.deepEqual((await lab.bob.getsshkeys({ slice: "shared" })).numkeys, 0);
  await lab.bob.renewlease({ slice: "shared" });
  await assertRefused(lab, () => lab.alice.addkey({ slice: "shared", key: sshKey() }), "NOT_PRINCIPAL");
  await assertRefused(lab, () => lab.alice.renewlease({ slice: "alone" }), "REVOKED");
  await lab.restart();
  await lab.node.reconciler.pass();
  assert.equal((await lab.backend.list()).filter(({ state }) => state === "running").length, 1);
  await agent.postrevocations({
    list: revocationsBy(key, 2, { principal: [alice, KEYS.bob.public.name] }),
  });
  await eventually(async () => (await lab.backend.list()).every(({ state }) => state === "stopped"));
});

test("lists of nobody, forged, misplaced, older or contradicting are refused and change nothing", async () => {
  await using lab = await nodeLab();
  const authority = authorityOf(lab);
  const agentKey = lab.agentIdentity.signingKey;
  const agent = lab.clientOf(lab.agentIdentity);
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  const first = revocationsBy(agentKey, 5, { principal: [alice] });
  await assertRefused(lab, () => lab.bob.postrevocations({ list: first }), "UNKNOWN_KEY");
  const good = revocationsBy(authority, 5, { key: ["e".repeat(64)] });
  await lab.bob.postrevocations({ list: good });
  await agent.postrevocations({ list: revocationsBy(agentKey, 5, {}) });
  const refused: [string, Parameters<typeof assertRefused>[2]][] = [
    [revocationsBy(KEYS.bob, 9, { principal: [alice] }), "UNKNOWN_KEY"],
    [revocationsBy(KEYS.otherNode, 9, { key: [alice] }), "UNKNOWN_KEY"],
    [good.replace("e".repeat(64), alice), "BAD_SIGNATURE"],
    [revocationsBy(authority, 9, { key: [alice] }).replace("<number>9", "<number>8"), "BAD_SIGNATURE"],
    [revocationsBy(authority, 9, { principal: [alice] }), "NO_PRIVILEGE"],
    [revocationsBy(agentKey, 9, { key: [alice] }), "NO_PRIVILEGE"],
    [revocationsBy(authority, 4, { key: [alice] }), "EXPIRED"],
    ["nonsense", "MALFORMED"],
  ];
  for (const [list, fault] of refused) {
    await assertRefused(lab, () => lab.bob.postrevocations({ list }), fault);
  }
  const second = revocationsBy(authority, 5, { key: [alice] });
  await assert.rejects(lab.bob.postrevocations({ list: second }), /BAD_CHAIN/);
  const evidence = reading(lab.state, (db) => db.prepare("select document from revocation_conflicts").all());
  assert.deepEqual(
    evidence.map((row) => row.document),
    [second],
    "what was said second is kept as evidence",
  );
  assert.deepEqual(await lab.alice.getslivers(), ["princeton_dns"]);
  assert.equal(lab.failures.length, 0);
  for (const request_id of ["once", "twice"])
    assert.equal(await lab.bob.postrevocations({ list: good, request_id }), 1);
  const kept = reading(lab.state, (db) => db.prepare("select request_id from replies").all());
  assert.deepEqual(kept, [], "whoever brings a list over and over fills nothing");

  // An agent that holds nothing here is not believed.
  const stranger = await lab.authority.server("another agent");
  const ofStranger = revocationsBy(stranger.signingKey, 1, { principal: [alice] });
  await assertRefused(lab, () => lab.clientOf(stranger).postrevocations({ list: ofStranger }), "UNKNOWN_KEY");

  // Once it has something beneath which a lease was made, it is.
  const handedOn = await lab.holding({ holder: stranger.name, to: KEYS.branch });
  const ticket = await lab.ticket({ slice: "beneath" }, handedOn);
  await lab.alice.newlease({ ticketdata: ticket.text });
  await lab.clientOf(stranger).postrevocations({ list: ofStranger });
  await leased(lab, "princeton_dns");
});

test("an authority that is trusted no more revokes nobody any more, also without a restart", async () => {
  await using lab = await nodeLab();
  const { ca } = lab.config.identity;
  const own = await readFile(ca, "utf8");
  const stolen = await testAuthority();
  await writeFile(ca, `${own}${stolen.caPem}`);
  const list = revocationsBy(stolen.authority.key, 9, { key: [alice] });
  await eventually(() => lab.bob.postrevocations({ list }).then(Boolean, () => false), {
    what: "the other authority being trusted",
  });
  await assert.rejects(lab.alice.getslivers(), /^CERTIFICATE_REVOKED/);
  await writeFile(ca, own);
  await eventually(() => lab.alice.getslivers().then(Boolean, () => false), {
    what: "alice being listened to again",
  });
  await assertRefused(lab, () => lab.bob.postrevocations({ list }), "UNKNOWN_KEY");
});

test("a node that was away asks on its return, and one list that it refuses keeps none of the others away", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  await lab.stop();
  lab.agent.revocations = ["nonsense", revocationsBy(authorityOf(lab), 5, { key: [alice] })];
  await lab.start();
  await leased(lab);
  await assert.rejects(lab.alice.getslivers(), /^CERTIFICATE_REVOKED/);
  assert.match(lab.logged.join(""), /a list of revocations was refused/);
});

test("the key of an agent takes everything that it gave with it, and it gets no more", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  await lab.alice.newlease({ ticketdata: ticket.text });
  const { name } = lab.agentIdentity;
  await lab.bob.postrevocations({ list: revocationsBy(authorityOf(lab), 1, { key: [name] }) });
  await leased(lab);
  await assert.rejects(lab.clientOf(lab.agentIdentity).getslivers(), /^CERTIFICATE_REVOKED/);
  const roots = lab.agent.roots.length;
  await lab.restart();
  await eventually(() => /the authority revoked the key of the agent/.test(lab.logged.join("")));
  assert.equal(lab.agent.roots.length, roots);
});

test("a lease that is revoked while its sliver is made ends once it is made", async () => {
  await using lab = await nodeLab();
  const { promise: made, resolve: make } = Promise.withResolvers<void>();
  lab.backend.ensureFault = async (_plan, real) => {
    await made;
    await real();
  };
  const call = lab.alice.newlease({ ticketdata: (await lab.ticket()).text }).catch(String);
  await eventually(() => lab.backend.calls.some((one) => one.startsWith("ensure")));
  await lab.bob.postrevocations({ list: revocationsBy(authorityOf(lab), 1, { key: [alice] }) });
  make();
  await call;
  await leased(lab);
});

test("while the clock cannot be believed nothing is destroyed, and afterwards it is", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  lab.clock.set(lab.clock.now() + 3600);
  await eventually(() => /the clock was set/.test(lab.logged.join("")));
  await lab.bob.postrevocations({ list: revocationsBy(authorityOf(lab), 1, { key: [alice] }) });
  await lab.node.reconciler.pass();
  assert.equal((await lab.backend.list()).length, 1);
  lab.clock.advance(601);
  await lab.node.reconciler.pass();
  await leased(lab);
});

test("one sliver that cannot be removed delays the end of no other", async () => {
  await using lab = await nodeLab();
  for (const slice of ["first", "second", "third"])
    await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice })).text });
  const [stuck] = await lab.backend.list();
  lab.backend.removeFault = (id, real) => (id === stuck!.id ? hang() : real());
  await lab.bob.postrevocations({ list: revocationsBy(authorityOf(lab), 1, { key: [alice] }) });
  await eventually(async () => (await lab.backend.list()).length === 1);
  assert.deepEqual(await lab.bob.getslivers(), [], "it is over for its principal all the same");
});
