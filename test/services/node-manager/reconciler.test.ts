import assert from "node:assert/strict";
import { test } from "node:test";
import { disownRoots } from "#services/node-manager/commands.ts";
import { eventually } from "#test/support/deadline.ts";
import { DAY } from "#test/support/documents.ts";
import { hang } from "./lab/faulty-backend.ts";
import { nodeLab, sshKey } from "./lab/node-lab.ts";
import { assertRefused, toldEverything } from "./lab/refusal.ts";
import { auditOf } from "./lab/store-dump.ts";

const slice = "princeton_dns";
const stranger = {
  id: "00000000000000ff",
  slice: "stranger",
  resources: { cpuMillis: 0, memoryMib: 1, diskMib: 1, egressKbps: 0 },
  ceilings: {},
};

test("slivers run on while their node manager is away, and the next one adopts them", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  const key = sshKey();
  const lease = await lab.alice.newleasevm({ ticketdata: ticket.text, publickey: key });
  await lab.stop();
  assert.deepEqual(await lab.backend.list(), [{ id: lab.lease(lease).sliver, state: "running" }]);
  const calls = lab.backend.calls.length;
  await lab.start();
  await lab.node.reconciler.pass();
  assert.deepEqual(lab.backend.calls.slice(calls), []);
  assert.deepEqual(await lab.alice.getleases(), [lease]);
  assert.deepEqual((await lab.alice.getsshkeys({ slice })).keys, [key]);
  assert.equal(await lab.alice.newlease({ ticketdata: ticket.text }), lease);
});

test("a sliver without processes, or without anything, is started again", async () => {
  await using lab = await nodeLab();
  const { sliver } = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  for (const harm of [lab.backend.stop, lab.backend.remove]) {
    await harm(sliver);
    await lab.node.reconciler.pass();
    assert.deepEqual(await lab.backend.list(), [{ id: sliver, state: "running" }]);
  }
  await lab.stop();
  await lab.backend.remove(sliver); // as a machine that lost power
  await lab.start();
  await eventually(async () => (await lab.backend.list()).length === 1);
});

test("a sliver that can't be started is reported, and tried again", async () => {
  await using lab = await nodeLab();
  const { sliver } = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  await lab.backend.stop(sliver);
  lab.backend.ensureFault = () => Promise.reject(new Error("no"));
  lab.clock.advance(60);
  await lab.node.reconciler.pass();
  const status = await lab.alice.getstatus({ slice });
  assert.equal(status.state, "stopped");
  assert.deepEqual(status.conditions, [
    { type: "Ready", status: false, since: "2030-01-01 12:01:00", reason: "the engine failed" },
  ]);
  assert.equal((await lab.alice.getleases()).length, 1, "it is leased all the same");
  lab.backend.ensureFault = undefined;
  await lab.node.reconciler.pass();
  assert.equal((await lab.alice.getstatus({ slice })).conditions[0]?.status, true);
});

test("a machine that no lease explains is stopped, kept and reported, and destroyed only after a day", async () => {
  await using lab = await nodeLab();
  await lab.backend.ensure(stranger);
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.backend.list(), [{ id: stranger.id, state: "stopped" }]);
  assert.ok(lab.logged.some((line) => line.includes(stranger.id)));
  lab.clock.advance(DAY - 1);
  await lab.node.reconciler.pass();
  assert.equal((await lab.backend.list()).length, 1);
  await lab.restart();
  lab.clock.advance(1);
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.backend.list(), []);
  assert.match(lab.dump(), /^quarantine: \[\]$/m);
  assert.deepEqual(
    auditOf(lab.state).flatMap(({ action }) => (action.startsWith("machine") ? [action] : [])),
    ["machine quarantined", "machine destroyed"],
  );
});

test("a machine that goes away by itself is forgotten, and starts its day anew when it comes back", async () => {
  await using lab = await nodeLab();
  await lab.backend.ensure(stranger);
  await lab.node.reconciler.pass();
  lab.clock.advance(DAY);
  await lab.backend.remove(stranger.id);
  await lab.node.reconciler.pass();
  await lab.backend.ensure(stranger);
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.backend.list(), [{ id: stranger.id, state: "stopped" }]);
});

test("an engine that lies about having nothing loses nothing", async () => {
  await using lab = await nodeLab();
  const lease = await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  lab.backend.listFault = async () => [];
  await lab.restart();
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.alice.getleases(), [lease]);
  assert.ok(!lab.backend.calls.some((call) => call.startsWith("remove") || call.startsWith("stop")));
});

test("an engine that hangs when asked what it has keeps no lease from ending", async () => {
  await using lab = await nodeLab({ deadlines: { answerMs: 10_000, ensureMs: 10_000, engineMs: 1_000 } });
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  lab.backend.listFault = hang;
  lab.clock.advance(DAY);
  void lab.node.reconciler.pass();
  await eventually(() => lab.backend.calls.some((call) => call.startsWith("remove")));
  await eventually(() => /^leases: \[\]$/m.test(lab.dump()));
});

test("a sliver that hangs while starting keeps no other from being looked after", async () => {
  await using lab = await nodeLab({ deadlines: { answerMs: 1_500, ensureMs: 60_000, engineMs: 60_000 } });
  lab.backend.ensureFault = (plan, real) => (plan.slice === "stuck" ? hang() : real());
  const stuck = await lab.ticket({ slice: "stuck" });
  await assert.rejects(lab.alice.newlease({ ticketdata: stuck.text }), /BUSY/);
  const { sliver } = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  await lab.backend.stop(sliver);
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.backend.list(), [{ id: sliver, state: "running" }]);
});

test("a lease that was being made when its node manager stopped is made by the next", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  lab.backend.ensureFault = hang;
  const call = lab.alice.newlease({ ticketdata: ticket.text });
  call.catch(() => undefined);
  await eventually(() => lab.backend.calls.length === 1);
  lab.backend.ensureFault = undefined;
  await lab.restart();
  await assert.rejects(call);
  const lease = await lab.alice.newlease({ ticketdata: ticket.text });
  assert.deepEqual(await lab.backend.list(), [{ id: lab.lease(lease).sliver, state: "running" }]);
  await toldEverything(lab);
  assert.deepEqual(lab.agent.eventsOf(ticket.id), ["redeemed"]);
});

test("what was being removed when its node manager stopped is removed by the next", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  await lab.alice.newlease({ ticketdata: ticket.text });
  lab.backend.removeFault = hang;
  const call = lab.alice.deletelease({ slice });
  call.catch(() => undefined);
  await eventually(() => lab.backend.calls.some((made) => made.startsWith("remove")));
  lab.backend.removeFault = undefined;
  await lab.restart();
  await eventually(() => /^leases: \[\]$/m.test(lab.dump()));
  await toldEverything(lab);
  assert.equal(lab.agent.eventsOf(ticket.id).at(-1), "ended");
});

test("after a restored store its roots are disowned, and no unknown machine is destroyed", async () => {
  await using lab = await nodeLab();
  await lab.backend.ensure(stranger);
  await lab.node.reconciler.pass();
  const before = await lab.root();
  const lease = await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice: "leased" })).text });
  const early = await lab.ticket();
  await lab.stop();
  assert.equal(await disownRoots(lab.config), 1);
  await lab.start();
  await eventually(() => lab.agent.roots.length === 2);
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: early.text }), "REVOKED");
  assert.deepEqual(await lab.alice.getleases(), [lease], "what the store knows is kept");
  assert.ok(await lab.alice.renewlease({ slice: "leased" }));
  const fresh = await lab.root();
  assert.equal(fresh.ticket.replaces, before.id, "they are one account");
  assert.ok(await lab.alice.newlease({ ticketdata: (await lab.ticket({}, fresh)).text }));
  lab.clock.advance(30 * DAY);
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.backend.list(), [{ id: stranger.id, state: "stopped" }]);
});
