import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "#shared/model/errors.ts";
import { eventually } from "#test/support/deadline.ts";
import { DAY, HOUR, KEYS, NOW } from "#test/support/documents.ts";
import { hang } from "../lab/faulty-backend.ts";
import { nodeLab, sshKey } from "../lab/node-lab.ts";
import { assertRefused } from "../lab/refusal.ts";
import { auditOf } from "../lab/store-dump.ts";

test("a ticket becomes a lease and a sliver, and its agent hears of it", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket({ slice: "oceanstore" });
  const key = sshKey();
  const document = await lab.alice.newleasevm({ ticketdata: ticket.text, privatekey: "", publickey: key });
  const lease = lab.lease(document);
  assert.equal(lease.ticket, ticket.id);
  assert.deepEqual(lease.term, { start: NOW, end: NOW + DAY });
  assert.equal(lease.renewableUntil, NOW + 2 * DAY);
  assert.deepEqual(lease.resources, ticket.ticket.resources);
  assert.equal(lease.image, "debian-12");
  assert.deepEqual([lease.ssh.port, lease.ssh.user], [lab.node.sshPort, "oceanstore"]);
  assert.deepEqual(await lab.alice.getleases(), [document]);
  assert.deepEqual(await lab.alice.getsshkeys({ slice: "oceanstore" }), { numkeys: 1, keys: [key] });
  assert.deepEqual(await lab.backend.list(), [{ id: lease.sliver, state: "running" }]);
  await eventually(() => lab.agent.eventsOf(ticket.id).includes("redeemed"));
  assert.deepEqual(
    auditOf(lab.state).map(({ action }) => action),
    ["root signed", "lease promised", "sliver made"],
  );
});

test("the same ticket again gets the identical lease while it lives", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  const lease = await lab.alice.newlease({ ticketdata: ticket.text });
  assert.equal(await lab.alice.newlease({ ticketdata: ticket.text }), lease);
  lab.clock.advance(3 * HOUR);
  await lab.node.reconciler.pass(); // its validity is over: what was granted is answered all the same
  assert.equal(await lab.alice.newlease({ ticketdata: ticket.text }), lease);
  const key = sshKey();
  assert.equal(await lab.alice.newleasevm({ ticketdata: ticket.text, publickey: key }), lease);
  assert.deepEqual((await lab.alice.getsshkeys({ slice: "princeton_dns" })).keys, [key]);
  assert.equal(lab.backend.calls.filter((call) => call.startsWith("ensure")).length, 1);
});

test("64 redemptions of one ticket at once make one sliver and give 64 identical leases", async () => {
  await using lab = await nodeLab();
  const { promise: open, resolve } = Promise.withResolvers<void>();
  lab.backend.ensureFault = async (_plan, real) => {
    await open;
    await real();
  };
  const ticket = await lab.ticket();
  const calls = Array.from({ length: 64 }, () => lab.alice.newlease({ ticketdata: ticket.text }));
  await eventually(() => lab.backend.calls.length > 0);
  resolve();
  const leases = await Promise.all(calls);
  assert.equal(new Set(leases).size, 1);
  assert.deepEqual(lab.backend.calls, [`ensure ${lab.lease(leases[0]!).sliver}`]);
  assert.equal((await lab.backend.list()).length, 1);
});

test("64 tickets for as many slices at once stay within the node's capacity, and all that fit are made", async () => {
  await using lab = await nodeLab();
  const tickets = await Promise.all(
    Array.from({ length: 64 }, (_, i) =>
      lab.ticket({
        slice: `slice${i}`,
        resources: { cpuMillis: 800, memoryMib: 1, diskMib: 1, egressKbps: 1 },
      }),
    ),
  );
  const outcomes = await Promise.allSettled(
    tickets.map(({ text }) => lab.alice.newlease({ ticketdata: text })),
  );
  const refused = outcomes.flatMap((o) => (o.status === "rejected" ? [(o.reason as Fault).message] : []));
  for (const reason of refused) assert.match(reason, /^NO_CAPACITY: this node's capacity has 0 thousandths/);
  assert.equal(outcomes.length - refused.length, 10); // of 800 thousandths of a core each, in 8000
});

test("a ticket is spent for ever once its lease is deleted", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  await lab.alice.newlease({ ticketdata: ticket.text });
  await lab.alice.deletelease({ slice: "princeton_dns" });
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "ALREADY_REDEEMED");
  lab.clock.advance(HOUR + 299);
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "ALREADY_REDEEMED");
  lab.clock.advance(302); // not valid any more by any clock
  await lab.node.reconciler.pass();
  assert.match(lab.dump(), /^tickets: \[\]$/m, "a tombstone is forgotten when it can't matter");
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "EXPIRED");
  assert.ok(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
});

test("an engine that fails leaves the ticket usable and nothing behind", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  lab.backend.ensureFault = async (_plan, real) => {
    await real(); // half done: the machine is there, and then it fails
    throw new Fault("BACKEND_FAILED", "the disk is full");
  };
  const before = lab.dump().replace(/^holdings.*$/m, "");
  await assert.rejects(lab.alice.newlease({ ticketdata: ticket.text }), /BACKEND_FAILED: .*the disk is full/);
  assert.equal(lab.dump().replace(/^holdings.*$/m, ""), before);
  assert.deepEqual(await lab.backend.list(), []);
  lab.backend.ensureFault = undefined;
  const lease = lab.lease(await lab.alice.newlease({ ticketdata: ticket.text }));
  assert.deepEqual(await lab.backend.list(), [{ id: lease.sliver, state: "running" }]);
  await eventually(() => lab.agent.eventsOf(ticket.id).length > 0);
  assert.deepEqual(lab.agent.eventsOf(ticket.id), ["redeemed"]);
});

test("remains that can't be removed keep the ticket busy until they are, then it is usable", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  lab.backend.ensureFault = async (_plan, real) => {
    await real();
    throw new Error("not a fault at all");
  };
  lab.backend.removeFault = () => Promise.reject(new Error("no"));
  await assert.rejects(
    lab.alice.newlease({ ticketdata: ticket.text }),
    /BACKEND_FAILED: .*the engine failed/,
  );
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "BUSY");
  await assertRefused(
    lab,
    async () => lab.alice.getsshkeys({ slice: "princeton_dns" }),
    "NO_SLICE",
    /does not exist/,
  );
  lab.backend.ensureFault = undefined;
  lab.backend.removeFault = undefined;
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.backend.list(), []);
  assert.ok(await lab.alice.newlease({ ticketdata: ticket.text }));
});

test("an engine that hangs is undone after its time, and callers are not kept waiting for it", async () => {
  const deadlines = { answerMs: 1_500, ensureMs: 4_000, engineMs: 10_000 };
  await using lab = await nodeLab({ deadlines });
  const ticket = await lab.ticket();
  lab.backend.ensureFault = hang;
  await assert.rejects(lab.alice.newlease({ ticketdata: ticket.text }), /^BUSY: BUSY/);
  await assert.rejects(lab.alice.newlease({ ticketdata: ticket.text }), /^BUSY: BUSY/);
  const other = await lab.ticket({ slice: "other" });
  lab.backend.ensureFault = undefined;
  assert.ok(await lab.alice.newlease({ ticketdata: other.text }), "others are served meanwhile");
  const lease = await eventually(async () => lab.alice.newlease({ ticketdata: ticket.text }), {
    everyMs: 100,
  });
  assert.equal((await lab.backend.list()).length, 2);
  assert.ok(lab.lease(lease));
});

test("what a hanging engine makes after it was given up is found and quarantined", async () => {
  await using lab = await nodeLab({ deadlines: { answerMs: 5_000, ensureMs: 50, engineMs: 2_000 } });
  const ticket = await lab.ticket();
  const late = Promise.withResolvers<void>();
  lab.backend.ensureFault = async (_plan, real) => {
    await late.promise;
    await real();
  };
  await assert.rejects(lab.alice.newlease({ ticketdata: ticket.text }), /BACKEND_FAILED/);
  late.resolve();
  await eventually(async () => (await lab.backend.list()).length === 1);
  await lab.node.reconciler.pass();
  const [machine] = await lab.backend.list();
  assert.equal(machine?.state, "stopped");
  assert.match(lab.dump(), new RegExp(`quarantine: .*${machine?.id}`));
});

test("a term may start up to ten seconds ahead and counts from now; a later one is for later", async () => {
  await using lab = await nodeLab();
  const at = (ahead: number, slice: string) =>
    lab.ticket({ slice, term: { start: NOW + ahead, end: NOW + DAY }, renewableUntil: NOW + 2 * DAY });
  const later = await at(11, "later");
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: later.text }), "NOT_YET_VALID", /12:00:11/);
  const soon = await at(10, "soon");
  const lease = lab.lease(await lab.alice.newlease({ ticketdata: soon.text }));
  assert.equal(lease.term.start, NOW + 10);
  assert.match(lab.dump(), new RegExp(`"from_time":${NOW},`));
  const month = { start: NOW + 10, end: NOW + 30 * DAY };
  const holding = await lab.holding({ term: month });
  const term = { start: NOW + 10, end: NOW + DAY };
  const beneath = await lab.ticket({ slice: "beneath", term }, holding);
  assert.ok(await lab.alice.newlease({ ticketdata: beneath.text }), "also where its holding starts then");
  lab.clock.advance(1);
  assert.ok(await lab.alice.newlease({ ticketdata: later.text }));
});

test("an engine or image the node does not have is said, and the ticket stays usable", async () => {
  await using lab = await nodeLab();
  const container = await lab.ticket({ engine: "container" });
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: container.text }),
    "BACKEND_FAILED",
    /no engine/,
  );
  const image = await lab.ticket({ image: "plan9" });
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: image.text }),
    "BACKEND_FAILED",
    /no image plan9/,
  );
});

test("a name belongs to one principal and has one lease; the refused ticket is not used", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  const second = await lab.ticket();
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: second.text }),
    "SLICE_EXISTS",
    /already exists/,
  );
  const bobs = await lab.ticket({ to: KEYS.bob });
  await assertRefused(lab, () => lab.bob.newlease({ ticketdata: bobs.text }), "NOT_PRINCIPAL");
  await lab.alice.deletelease({ slice: "princeton_dns" });
  assert.ok(await lab.bob.newlease({ ticketdata: bobs.text }), "the name is free again");
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: second.text }), "NOT_PRINCIPAL");
});
