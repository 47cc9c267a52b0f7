import assert from "node:assert/strict";
import { test } from "node:test";
import { openStatement } from "#shared/wire/statement-document.ts";
import { HOUR, KEYS, NOW } from "#test/support/documents.ts";
import { nodeLab } from "../lab/node-lab.ts";
import { assertRefused, toldEverything } from "../lab/refusal.ts";

function stated(document: string) {
  return openStatement(document, KEYS.node.public).tickets;
}

test("a node says under signature how tickets and holdings stand, and nothing changes by asking", async () => {
  await using lab = await nodeLab();
  const agent = lab.clientOf(lab.agentIdentity);
  const holding = await lab.holding();
  const [live, over, waiting, given] = [
    await lab.ticket({ slice: "live" }, holding),
    await lab.ticket({ slice: "over" }),
    await lab.ticket({ slice: "waiting" }),
    await lab.ticket({ slice: "given" }),
  ];
  await lab.alice.newlease({ ticketdata: live.text });
  await lab.alice.newlease({ ticketdata: over.text });
  await lab.alice.deletelease({ slice: "over" });
  await lab.alice.canceltickets({ tickets: [given.text] });
  const all = [live, over, waiting, given, holding];
  await toldEverything(lab);
  const before = lab.dump();
  const tickets = stated(await agent.statetickets({ tickets: all.map(({ text }) => text) }));
  assert.deepEqual(tickets, [
    { id: live.id, state: "leased" },
    { id: over.id, state: "ended" },
    { id: waiting.id, state: "outstanding" },
    { id: given.id, state: "cancelled" },
    { id: holding.id, state: "outstanding", beneath: { count: 1, tickets: [live.id] } },
  ]);
  assert.equal(lab.dump(), before);
  assert.ok(await lab.alice.newlease({ ticketdata: waiting.text }), "what is outstanding can be redeemed");

  const late = await lab.ticket({ slice: "late" });
  lab.clock.advance(HOUR + 601);
  await agent.canceltickets({ tickets: [holding.text] });
  const then = stated(await agent.statetickets({ tickets: [late.text, holding.text] }));
  assert.deepEqual(
    then.map(({ state }) => state),
    ["unredeemed", "cancelled"],
  );
});

test("the holder that a holding names speaks for it and for all beneath it, and for nothing beside it", async () => {
  await using lab = await nodeLab();
  const holding = await lab.holding({ holder: KEYS.bob.public.name });
  const deeper = await lab.holding({ to: KEYS.agent, splits: 1, holder: KEYS.alice.public.name }, holding);
  const beneath = await lab.ticket({ slice: "beneath" }, deeper);
  const beside = await lab.ticket({ slice: "beside" });
  for (const method of ["statetickets", "canceltickets"] as const) {
    const refused = () => lab.bob[method]({ tickets: [beneath.text, beside.text] });
    await assertRefused(lab, refused, "NOT_PRINCIPAL");
  }
  assert.deepEqual(stated(await lab.bob.statetickets({ tickets: [beneath.text] })), [
    { id: beneath.id, state: "outstanding" },
  ]);
  assert.deepEqual(stated(await lab.bob.canceltickets({ tickets: [beneath.text] })), [
    { id: beneath.id, state: "cancelled" },
  ]);
  await assertRefused(lab, () => lab.alice.canceltickets({ tickets: [holding.text] }), "NOT_PRINCIPAL");
  const [closed] = stated(await lab.bob.canceltickets({ tickets: [deeper.text] }));
  assert.deepEqual(closed, { id: deeper.id, state: "cancelled", beneath: { count: 0, tickets: [] } });
});

test("more than a statement speaks of, and what is of no chain of this node, is refused", async () => {
  await using lab = await nodeLab();
  const agent = lab.clientOf(lab.agentIdentity);
  const { text } = await lab.ticket();
  await assertRefused(lab, () => agent.statetickets({ tickets: Array(51).fill(text) }), "TOO_LARGE");
  const root = await lab.root();
  const forged = await lab.holding({ issuer: KEYS.bob.public.name }, root);
  await assertRefused(lab, () => agent.statetickets({ tickets: [forged.text] }), "BAD_CHAIN");
  assert.equal(lab.clock.now(), NOW);
});
