import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { eventually } from "#test/support/deadline.ts";
import { DAY, KEYS, NOW } from "#test/support/documents.ts";
import { hang } from "../lab/faulty-backend.ts";
import { nodeLab, sshKey } from "../lab/node-lab.ts";
import { assertRefused, toldEverything } from "../lab/refusal.ts";
import { reading } from "../lab/store-dump.ts";

const slice = "princeton_dns";

test("a node says what it is, also on its plain port, where nothing else than v0.5's questions is answered", async () => {
  await using lab = await nodeLab();
  using connections = new Connections();
  const stranger = xmlRpcClient(nodeManagerApi, { url: lab.node.plainUrl!, connections });
  const config = await stranger.getconfig();
  const { port, sslport, httpport, sshport, version, ...rest } = config;
  assert.deepEqual(rest, {
    node: KEYS.node.public.name,
    ip: "127.0.0.1",
    engines: ["simulated"],
    simulated: true,
  });
  assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.deepEqual(
    [port, sslport, httpport].map(String),
    [lab.node.plainUrl!, lab.node.url, lab.node.webUrl].map((url) => new URL(url).port),
  );
  assert.equal(sshport, lab.node.sshPort);
  assert.deepEqual(await lab.alice.getconfig(), config);
  const lease = await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  assert.deepEqual(await stranger.getleases(), [lease]);
  assert.deepEqual(await stranger.getslivers(), [slice]);
  assert.equal(await stranger.getprinciple({ slice }), KEYS.alice.public.sha1);
  assert.deepEqual(await stranger.getsshkeys({ slice }), { numkeys: 0 });
  await assertRefused(lab, () => stranger.deletelease({ slice }), "NO_CERTIFICATE");
  await assertRefused(lab, () => stranger.getstatus({ slice }), "NO_CERTIFICATE");
  await assertRefused(lab, () => stranger.getprinciple({ slice: "nobody1" }), "NO_SLICE", /does not exist/);
});

test("newvm lets its key in, for the principal of a lease that lives here", async () => {
  await using lab = await nodeLab();
  const ticketdata = (await lab.ticket()).text;
  const leasedata = await lab.alice.newlease({ ticketdata });
  const publickey = sshKey();
  assert.equal(
    await lab.alice.newvm({ leasedata, privatekey: "a secret", publickey: `${publickey} alice@home` }),
    1,
  );
  assert.deepEqual(await lab.alice.getsshkeys({ slice }), { numkeys: 1, keys: [publickey] });
  await assertRefused(lab, () => lab.bob.newvm({ leasedata, publickey: sshKey() }), "NOT_PRINCIPAL");
  await assertRefused(lab, () => lab.alice.newvm({ leasedata, publickey: "restrict" }), "MALFORMED");
  await assertRefused(
    lab,
    () => lab.alice.newvm({ leasedata: ticketdata, publickey: sshKey() }),
    "MALFORMED",
  );
  const forged = leasedata.replace("<slice>", "<slice> ");
  await assertRefused(
    lab,
    () => lab.alice.newvm({ leasedata: forged, publickey: sshKey() }),
    "BAD_SIGNATURE",
  );
  await lab.alice.deletelease({ slice });
  await assertRefused(lab, () => lab.alice.newvm({ leasedata, publickey: sshKey() }), "NO_SLICE");
  assert.ok(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  await assertRefused(
    lab,
    () => lab.alice.newvm({ leasedata, publickey: sshKey() }),
    "NO_SLICE",
    /does not exist/,
  );
  assert.ok(
    !reading(lab.state, (db) => JSON.stringify(db.prepare("select * from audit").all())).includes("a secret"),
  );
  assert.ok(!lab.logged.join("").includes("a secret"));
});

test("keys are added, removed and nuked by the slice's principal, the first one staying as in v0.5", async () => {
  await using lab = await nodeLab();
  const [first, second, third] = [sshKey(), sshKey(), sshKey()];
  await lab.alice.newleasevm({ ticketdata: (await lab.ticket()).text, publickey: first });
  const keys = async () => new Set((await lab.alice.getsshkeys({ slice })).keys);
  assert.equal(await lab.alice.addkey({ slice, key: second }), 1);
  assert.equal(await lab.alice.addkey({ slice, key: second }), 1, "twice is once");
  assert.equal(await lab.alice.addkey({ slice, key: third }), 1);
  assert.deepEqual(await keys(), new Set([first, second, third]));
  assert.equal(await lab.alice.delkey({ slice, key: `${third} some comment` }), 1);
  assert.equal(await lab.alice.delkey({ slice, key: third }), 1);
  assert.deepEqual(await keys(), new Set([first, second]));
  assert.equal(await lab.alice.nukekeys({ slice }), 1);
  assert.deepEqual(await keys(), new Set([first]));
  for (const bad of [`restrict ${second}`, `${second}\n${third}`, `${second} \0`, ""]) {
    await assertRefused(lab, () => lab.alice.addkey({ slice, key: bad }), "MALFORMED");
  }
  await assertRefused(lab, () => lab.bob.addkey({ slice, key: second }), "NOT_PRINCIPAL");
  await assertRefused(lab, () => lab.bob.delkey({ slice, key: first }), "NOT_PRINCIPAL");
  await assertRefused(lab, () => lab.bob.nukekeys({ slice }), "NOT_PRINCIPAL");
  for (const name of ["../etc", "a\nb", "root"]) {
    await assertRefused(lab, () => lab.alice.addkey({ slice: name, key: second }), "BAD_NAME");
    await assertRefused(lab, () => lab.alice.getsshkeys({ slice: name }), "BAD_NAME");
    await assertRefused(lab, () => lab.alice.deletelease({ slice: name }), "BAD_NAME");
  }
});

test("a slice has so many keys and no more", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  await Promise.all(Array.from({ length: 256 }, () => lab.alice.addkey({ slice, key: sshKey() })));
  await assertRefused(lab, () => lab.alice.addkey({ slice, key: sshKey() }), "QUOTA", /256/);
  await lab.alice.nukekeys({ slice });
  assert.equal(await lab.alice.addkey({ slice, key: sshKey() }), 1);
});

test("a lease is deleted by its principal alone, once, and its agent hears of it", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  const { serial } = lab.lease(await lab.alice.newlease({ ticketdata: ticket.text }));
  await assertRefused(lab, () => lab.bob.deletelease({ slice }), "NOT_PRINCIPAL");
  const other = "0".repeat(32);
  await assertRefused(
    lab,
    () => lab.alice.deletelease({ slice, lease_serial: other }),
    "NO_SLICE",
    /does not exist/,
  );
  assert.equal(await lab.alice.deletelease({ slice, lease_serial: serial }), 1);
  assert.deepEqual(await lab.backend.list(), []);
  assert.deepEqual(await lab.alice.getleases(), []);
  await assertRefused(lab, () => lab.alice.deletelease({ slice }), "NO_SLICE", /does not exist/);
  await toldEverything(lab);
  assert.deepEqual(new Set(lab.agent.eventsOf(ticket.id)), new Set(["redeemed", "ended"]));
  assert.equal(lab.agent.eventsOf(ticket.id).at(-1), "ended");
});

test("a late duplicate of a deletion can't hit the successor", async () => {
  await using lab = await nodeLab();
  const { serial } = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  await lab.alice.deletelease({ slice, lease_serial: serial });
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  for (const method of ["deletelease", "nukekeys", "renewlease"] as const) {
    await assertRefused(lab, () => lab.alice[method]({ slice, lease_serial: serial }), "NO_SLICE");
  }
});

test("a deletion whose engine fails stays a deletion, and is finished later", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  await lab.alice.newlease({ ticketdata: ticket.text });
  lab.backend.removeFault = () => Promise.reject(new Error("no"));
  await assert.rejects(lab.alice.deletelease({ slice }), /BACKEND_FAILED/);
  assert.deepEqual(await lab.alice.getleases(), [], "it is over all the same");
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "ALREADY_REDEEMED");
  await assertRefused(lab, () => lab.alice.addkey({ slice, key: sshKey() }), "NO_SLICE");
  await assertRefused(lab, () => lab.alice.renewlease({ slice }), "NO_SLICE");
  const successor = await lab.ticket();
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: successor.text }), "BUSY");
  assert.deepEqual(lab.agent.eventsOf(ticket.id), ["redeemed"], "its agent is told when it is true");
  lab.backend.removeFault = undefined;
  await lab.node.reconciler.pass();
  await toldEverything(lab);
  assert.deepEqual(lab.agent.eventsOf(ticket.id), ["redeemed", "ended"]);
  assert.ok(await lab.alice.newlease({ ticketdata: successor.text }));
});

test("a lease that is still being made can be deleted: it is made, then removed", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  const { promise: open, resolve } = Promise.withResolvers<void>();
  lab.backend.ensureFault = async (_plan, real) => {
    await open;
    await real();
  };
  const making = lab.alice.newlease({ ticketdata: ticket.text });
  await eventually(() => lab.backend.calls.length > 0);
  const deleting = lab.alice.deletelease({ slice });
  await eventually(async () => (await lab.alice.getconfig()).node.length > 0);
  resolve();
  assert.equal(await deleting, 1);
  const outcome = await making.then(
    () => "made",
    (error: Error) => error.message,
  );
  assert.match(outcome, /^made|ALREADY_REDEEMED/);
  assert.deepEqual(await lab.backend.list(), []);
  assert.match(lab.dump(), /^leases: \[\]$/m);
});

test("a deletion of what could not be made finds nothing", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  const { promise: open, reject } = Promise.withResolvers<void>();
  lab.backend.ensureFault = () => open;
  const making = lab.alice.newlease({ ticketdata: ticket.text });
  making.catch(() => undefined);
  await eventually(() => lab.backend.calls.length > 0);
  const deleting = lab.alice.deletelease({ slice });
  await eventually(async () => (await lab.alice.getconfig()).node.length > 0);
  reject(new Error("no"));
  await assert.rejects(deleting, /NO_SLICE/);
  await assert.rejects(making, /BACKEND_FAILED/);
});

test("a lease that runs out is ended at its end, not before, and its name is free", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  await lab.alice.newlease({ ticketdata: ticket.text });
  lab.clock.advance(DAY - 1);
  await lab.node.reconciler.pass();
  assert.equal((await lab.backend.list()).length, 1);
  lab.clock.advance(1);
  await assertRefused(lab, () => lab.alice.renewlease({ slice }), "EXPIRED");
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.backend.list(), []);
  assert.deepEqual(await lab.alice.getleases(), []);
  await eventually(() => lab.agent.eventsOf(ticket.id).includes("ended"));
  assert.ok(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
});

test("a lease ends by itself, by a timer", async () => {
  await using lab = await nodeLab();
  const end = NOW + 60;
  await lab.alice.newlease({
    ticketdata: (await lab.ticket({ term: { start: NOW, end }, validity: { start: NOW, end } })).text,
  });
  lab.clock.advance(58);
  await lab.node.reconciler.pass(); // from here on the timer knows that there are two seconds left
  lab.clock.advance(2);
  await eventually(async () => (await lab.backend.list()).length === 0);
});

test("the status of a sliver is its principal's to see, and an engine that hangs does not withhold it", async () => {
  await using lab = await nodeLab({ deadlines: { answerMs: 5_000, ensureMs: 10_000, engineMs: 1_500 } });
  const lease = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  const status = await lab.alice.getstatus({ slice });
  assert.equal(status.state, "running");
  assert.equal(status.sliver, lease.sliver);
  assert.equal(status.end_time, "2030-01-02 12:00:00");
  assert.deepEqual(status.usage, { cpu_microseconds: 0, memory_bytes: 0, processes: 0, disk_bytes: 0 });
  assert.deepEqual(status.conditions, [
    { type: "Ready", status: true, since: "2030-01-01 12:00:00", reason: "the sliver runs" },
  ]);
  await assertRefused(lab, () => lab.bob.getstatus({ slice }), "NOT_PRINCIPAL");
  await lab.backend.stop(lease.sliver);
  assert.equal((await lab.alice.getstatus({ slice })).state, "stopped");
  lab.backend.listFault = hang;
  const unknown = await lab.alice.getstatus({ slice });
  assert.equal(unknown.state, "unknown");
  assert.equal(unknown.conditions[0]?.status, false);
});
