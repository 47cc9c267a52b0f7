import assert from "node:assert/strict";
import { test } from "node:test";
import { openStatement } from "#shared/wire/statement-document.ts";
import { eventually } from "#test/support/deadline.ts";
import { DAY, KEYS } from "#test/support/documents.ts";
import { nodeLab, sshKey } from "../lab/node-lab.ts";
import { assertRefused } from "../lab/refusal.ts";

const slice = "princeton_dns";

test("a repeated request gets the answer it got, and is done once", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  const renewed = await lab.alice.renewlease({ slice, request_id: "r1" });
  assert.equal(await lab.alice.renewlease({ slice, request_id: "r1" }), renewed);
  assert.deepEqual(await lab.alice.getleases(), [renewed]);
  const key = sshKey();
  await lab.alice.addkey({ slice, key, request_id: "k1" });
  await lab.alice.delkey({ slice, key, request_id: "k2" });
  assert.equal(await lab.alice.addkey({ slice, key, request_id: "k1" }), 1);
  assert.deepEqual(await lab.alice.getsshkeys({ slice }), { numkeys: 0 }, "it is not added again");
  const other = await lab.ticket({ slice: "other" });
  const first = await lab.alice.canceltickets({ tickets: [other.text], request_id: "c1" });
  lab.clock.advance(60);
  const second = await lab.alice.canceltickets({ tickets: [other.text], request_id: "c1" });
  assert.equal(second, first);
  assert.equal(openStatement(second, KEYS.node.public).tickets.length, 1);
});

test("the same request id with other arguments, or of somebody else, is another matter", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  await lab.alice.addkey({ slice, key: sshKey(), request_id: "k1" });
  await assertRefused(lab, () => lab.alice.addkey({ slice, key: sshKey(), request_id: "k1" }), "MALFORMED");
  await assertRefused(lab, () => lab.bob.addkey({ slice, key: sshKey(), request_id: "k1" }), "NOT_PRINCIPAL");
  assert.equal(await lab.alice.nukekeys({ slice, request_id: "k1" }), 1);
});

test("a repeated deletion is answered as the first, and does not hit a successor", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  assert.equal(await lab.alice.deletelease({ slice, request_id: "d1" }), 1);
  assert.equal(await lab.alice.deletelease({ slice, request_id: "d1" }), 1);
  const lease = await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  assert.equal(await lab.alice.deletelease({ slice, request_id: "d1" }), 1);
  assert.deepEqual(await lab.alice.getleases(), [lease]);
  await lab.restart();
  assert.equal(await lab.alice.deletelease({ slice, request_id: "d1" }), 1);
  assert.deepEqual(await lab.alice.getleases(), [lease]);
});

test("a deletion that could not be finished is not answered as done before it is", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  lab.backend.removeFault = () => Promise.reject(new Error("no"));
  const deletion = () => lab.alice.deletelease({ slice, request_id: "d1" });
  await assert.rejects(deletion, /BACKEND_FAILED/);
  await assert.rejects(deletion, /BACKEND_FAILED/);
  lab.backend.removeFault = undefined;
  await lab.restart();
  await eventually(() => /^leases: \[\]$/m.test(lab.dump()));
  assert.equal(await deletion(), 1, "it was done by the next node manager");
});

test("many deletions at once under one request id are one deletion", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  const calls = Array.from({ length: 16 }, () => lab.alice.deletelease({ slice, request_id: "d1" }));
  assert.deepEqual(new Set(await Promise.all(calls)), new Set([1]));
  assert.equal(lab.backend.calls.filter((call) => call.startsWith("remove")).length, 1);
});

test("a refused call leaves no answer: the same id may succeed later", async () => {
  await using lab = await nodeLab();
  const key = sshKey();
  await assertRefused(lab, () => lab.alice.addkey({ slice, key, request_id: "k1" }), "NO_SLICE");
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  assert.equal(await lab.alice.addkey({ slice, key, request_id: "k1" }), 1);
});

test("answers are forgotten when nothing in them is valid any more", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  await lab.alice.renewlease({ slice, request_id: "r1" });
  lab.clock.advance(2 * DAY);
  await lab.node.reconciler.pass();
  assert.match(lab.dump(), /^replies: \[\{/m);
  lab.clock.advance(1);
  await lab.node.reconciler.pass();
  assert.match(lab.dump(), /^replies: \[\]$/m);
});

test("a redemption is repeatable by its own rule, with or without request ids", async () => {
  await using lab = await nodeLab();
  const ticketdata = (await lab.ticket()).text;
  const lease = await lab.alice.newlease({ ticketdata, request_id: "n1" });
  assert.equal(await lab.alice.newlease({ ticketdata, request_id: "n1" }), lease);
  await lab.alice.deletelease({ slice });
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata, request_id: "n1" }), "ALREADY_REDEEMED");
});
