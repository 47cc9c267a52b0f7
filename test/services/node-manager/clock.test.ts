import assert from "node:assert/strict";
import { test } from "node:test";
import { DAY, HOUR, NOW } from "#test/support/documents.ts";
import { nodeLab, sshKey } from "./lab/node-lab.ts";
import { assertRefused } from "./lab/refusal.ts";

const slice = "princeton_dns";
const stranger = {
  id: "00000000000000ff",
  slice: "stranger",
  resources: { cpuMillis: 0, memoryMib: 1, diskMib: 1, egressKbps: 0 },
  ceilings: {},
};

test("after the clock was set nothing is issued and nothing destroyed for ten minutes", async () => {
  await using lab = await nodeLab();
  const lease = await lab.alice.newlease({
    ticketdata: (
      await lab.ticket({ term: { start: NOW, end: NOW + 3 * DAY }, renewableUntil: NOW + 4 * DAY })
    ).text,
  });
  const short = await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice: "short" })).text });
  await lab.backend.ensure(stranger);
  await lab.node.reconciler.pass();
  lab.clock.set(NOW + 2 * DAY);
  const next = await lab.ticket({ slice: "next" });
  const refusals = [
    () => lab.alice.newlease({ ticketdata: next.text }),
    () => lab.alice.renewlease({ slice }),
    () => lab.alice.deletelease({ slice }),
    () => lab.alice.canceltickets({ tickets: [next.text] }),
  ];
  for (const call of refusals) await assertRefused(lab, call, "CLOCK_UNSURE");
  await lab.node.reconciler.pass();
  assert.deepEqual(
    new Set(await lab.alice.getleases()),
    new Set([lease, short]),
    "what seems overdue lives on",
  );
  assert.equal((await lab.backend.list()).length, 3);
  assert.equal(
    await lab.alice.addkey({ slice, key: sshKey() }),
    1,
    "what neither issues nor destroys goes on",
  );
  lab.clock.advance(599);
  await lab.node.reconciler.pass();
  assert.equal((await lab.backend.list()).length, 3);
  lab.clock.advance(1);
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.alice.getleases(), [lease]);
  assert.equal((await lab.backend.list()).length, 1);
  assert.ok(await lab.alice.newlease({ ticketdata: next.text }));
});

test("a removal that was under way waits until the clock can be believed", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  lab.backend.removeFault = () => Promise.reject(new Error("no"));
  await assert.rejects(lab.alice.deletelease({ slice }), /BACKEND_FAILED/);
  lab.backend.removeFault = undefined;
  lab.clock.set(NOW + DAY);
  await lab.node.reconciler.pass();
  assert.equal((await lab.backend.list()).length, 1);
  lab.clock.advance(600);
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.backend.list(), []);
});

test("a clock that went back is not believed either, nor is what it says recorded", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  lab.clock.set(NOW - DAY);
  await assertRefused(lab, () => lab.alice.renewlease({ slice }), "CLOCK_UNSURE");
  lab.clock.set(NOW + 10);
  await assertRefused(lab, () => lab.alice.renewlease({ slice }), "CLOCK_UNSURE");
  lab.clock.advance(600);
  assert.ok(await lab.alice.renewlease({ slice }));
});

test("a clock that runs below what the store has seen is not believed, even from the start", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket({ term: { start: NOW, end: NOW + DAY } });
  lab.clock.advance(HOUR);
  await lab.node.reconciler.pass();
  await lab.stop();
  lab.clock.set(NOW);
  await lab.start();
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "CLOCK_UNSURE");
  lab.clock.advance(HOUR);
  assert.ok(await lab.alice.newlease({ ticketdata: ticket.text }));
});
