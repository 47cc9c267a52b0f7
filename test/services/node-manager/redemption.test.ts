import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "#test/support/deadline.ts";
import { DAY, NOW } from "#test/support/documents.ts";
import { nodeLab, sshKey } from "./lab/node-lab.ts";

test("a ticket becomes a lease and a sliver, and its agent hears of it", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket({ slice: "oceanstore" });
  const document = await lab.alice.newleasevm({
    ticketdata: ticket.text,
    privatekey: "",
    publickey: sshKey(),
  });
  const lease = lab.lease(document);
  assert.equal(lease.ticket, ticket.id);
  assert.equal(lease.slice, "oceanstore");
  assert.deepEqual(lease.term, { start: NOW, end: NOW + DAY });
  assert.deepEqual(await lab.alice.getleases(), [document]);
  assert.deepEqual(await lab.backend.list(), [{ id: lease.sliver, state: "running" }]);
  await eventually(() => lab.agent.eventsOf(ticket.id).includes("redeemed"));
});
