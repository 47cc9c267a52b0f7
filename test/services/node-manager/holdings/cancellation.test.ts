import assert from "node:assert/strict";
import { test } from "node:test";
import { openStatement } from "#shared/wire/statement-document.ts";
import { eventually } from "#test/support/deadline.ts";
import { DAY, HOUR, KEYS, NOW } from "#test/support/documents.ts";
import { nodeLab } from "../lab/node-lab.ts";
import { assertRefused, toldEverything } from "../lab/refusal.ts";

const slice = "princeton_dns";

function stated(document: string) {
  const { node, at, tickets } = openStatement(document, KEYS.node.public);
  assert.equal(node, KEYS.node.public.name);
  return { at, tickets };
}

test("a cancelled ticket is never redeemed, and the node says so under signature and to its agent", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  const statement = stated(await lab.alice.canceltickets({ tickets: [ticket.text] }));
  assert.deepEqual(statement, { at: NOW, tickets: [{ id: ticket.id, state: "cancelled" }] });
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: ticket.text }),
    "ALREADY_REDEEMED",
    /cancelled/,
  );
  await eventually(() => lab.agent.eventsOf(ticket.id).includes("cancelled"));
  const again = stated(await lab.alice.canceltickets({ tickets: [ticket.text] }));
  assert.equal(again.tickets[0]?.state, "cancelled");
  await toldEverything(lab);
  assert.deepEqual(lab.agent.eventsOf(ticket.id), ["cancelled"]);
});

test("what is leased stays leased, what has ended is ended, what nobody redeemed in time is unredeemed", async () => {
  await using lab = await nodeLab();
  const [live, over, never] = [
    await lab.ticket({ slice: "live" }),
    await lab.ticket({ slice: "over" }),
    await lab.ticket({ slice: "never" }),
  ];
  const lease = await lab.alice.newlease({ ticketdata: live.text });
  await lab.alice.newlease({ ticketdata: over.text });
  await lab.alice.deletelease({ slice: "over" });
  lab.clock.advance(HOUR + 601);
  const { tickets } = stated(await lab.alice.canceltickets({ tickets: [live.text, over.text, never.text] }));
  assert.deepEqual(tickets, [
    { id: live.id, state: "leased" },
    { id: over.id, state: "ended" },
    { id: never.id, state: "unredeemed" },
  ]);
  assert.deepEqual(await lab.alice.getleases(), [lease]);
  await eventually(() => lab.agent.eventsOf(never.id).includes("unredeemed"));
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: never.text }), "EXPIRED");
});

test("its principal, the agent whose root is above it and issuers above it may cancel a ticket, and nobody else", async () => {
  await using lab = await nodeLab();
  const [ticket, second] = [await lab.ticket({ slice: "one" }), await lab.ticket({ slice: "two" })];
  await assertRefused(lab, () => lab.bob.canceltickets({ tickets: [ticket.text] }), "NOT_PRINCIPAL");
  const bobsHolding = await lab.holding({ to: KEYS.bob });
  const issuedByBob = await lab.ticket({}, bobsHolding);
  const both = [issuedByBob.text, ticket.text];
  await assertRefused(lab, () => lab.bob.canceltickets({ tickets: both }), "NOT_PRINCIPAL");
  const { tickets } = stated(await lab.bob.canceltickets({ tickets: [issuedByBob.text] }));
  assert.equal(tickets[0]?.state, "cancelled");
  const agent = lab.clientOf(lab.agentIdentity);
  assert.equal(stated(await agent.canceltickets({ tickets: [ticket.text] })).tickets[0]?.state, "cancelled");
  assert.ok(await lab.alice.newlease({ ticketdata: second.text }));
});

test("nothing is redeemed beneath a closed holding any more; what lives there lives on and is stated", async () => {
  await using lab = await nodeLab();
  const holding = await lab.holding();
  const deeper = await lab.holding({ to: KEYS.bob, splits: 1 }, holding);
  const before = await lab.ticket({ slice: "before" }, holding);
  const below = await lab.ticket({ slice: "below" }, deeper);
  const after = await lab.ticket({ slice: "after" }, deeper);
  const beside = await lab.ticket({ slice: "beside" });
  await lab.alice.newlease({ ticketdata: before.text });
  const lease = await lab.alice.newlease({ ticketdata: below.text });
  const agent = lab.clientOf(lab.agentIdentity);
  const { tickets } = stated(await agent.canceltickets({ tickets: [holding.text] }));
  assert.equal(tickets[0]?.state, "cancelled");
  assert.equal(tickets[0]?.beneath?.count, 2);
  assert.deepEqual(new Set(tickets[0]?.beneath?.tickets), new Set([before.id, below.id]));
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: after.text }), "REVOKED", /closed/);
  assert.equal(
    await lab.alice.newlease({ ticketdata: below.text }),
    lease,
    "what lives is answered as before",
  );
  assert.ok(await lab.alice.renewlease({ slice: "below" }));
  const renewing = await lab.ticket(
    { slice: "below", term: { start: NOW, end: NOW + 3 * DAY }, renewableUntil: NOW + 3 * DAY },
    deeper,
  );
  await assertRefused(
    lab,
    () => lab.alice.renewlease({ slice: "below", ticketdata: renewing.text }),
    "REVOKED",
  );
  assert.ok(await lab.alice.newlease({ ticketdata: beside.text }));
});

test("a holding that the node never saw before is closed all the same, by whoever holds it too", async () => {
  await using lab = await nodeLab();
  const bobs = await lab.holding({ to: KEYS.bob });
  const ticket = await lab.ticket({}, bobs);
  const { tickets } = stated(await lab.bob.canceltickets({ tickets: [bobs.text] }));
  assert.deepEqual(tickets, [{ id: bobs.id, state: "cancelled", beneath: { count: 0, tickets: [] } }]);
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "REVOKED");
  await lab.restart();
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "REVOKED");
  await eventually(() => lab.agent.eventsOf(bobs.id).includes("cancelled"));
});

test("a ticket is cancelled or redeemed, never both, whichever comes first", async () => {
  await using lab = await nodeLab();
  for (let round = 0; round < 10; round += 1) {
    const ticket = await lab.ticket();
    const [redeemed, cancelled] = await Promise.allSettled([
      lab.alice.newlease({ ticketdata: ticket.text }),
      lab.alice.canceltickets({ tickets: [ticket.text] }),
    ]);
    assert.equal(cancelled.status, "fulfilled");
    const { state } = stated((cancelled as PromiseFulfilledResult<string>).value).tickets[0]!;
    assert.equal(state, redeemed.status === "fulfilled" ? "leased" : "cancelled");
    if (redeemed.status === "fulfilled") await lab.alice.deletelease({ slice });
  }
});

test("a statement keeps within a document's size: fifty tickets a call", async () => {
  await using lab = await nodeLab();
  const holdings = await Promise.all(
    Array.from({ length: 50 }, () =>
      lab.holding({ resources: { cpuMillis: 0, memoryMib: 1, diskMib: 1, egressKbps: 0, slivers: 9 } }),
    ),
  );
  const tiny = { cpuMillis: 0, memoryMib: 0, diskMib: 0, egressKbps: 0 };
  for (let i = 0; i < 64; i += 1) {
    const ticket = await lab.ticket({ slice: `slice${i}`, resources: tiny }, holdings[i % 10]!);
    await lab.alice.newlease({ ticketdata: ticket.text });
  }
  const agent = lab.clientOf(lab.agentIdentity);
  const texts = holdings.map(({ text }) => text);
  await assertRefused(lab, () => agent.canceltickets({ tickets: [...texts, texts[0]!] }), "TOO_LARGE");
  const { tickets } = stated(await agent.canceltickets({ tickets: texts }));
  assert.equal(tickets.length, 50);
  assert.equal(tickets.flatMap(({ beneath }) => beneath?.tickets ?? []).length, 64);
});
