import assert from "node:assert/strict";
import { test } from "node:test";
import { publicKeyFromSpki } from "#shared/identity/key.ts";
import { openSliceTicket } from "#shared/wire/chain.ts";
import { DAY, HOUR, NOW } from "../../support/documents.ts";
import { agentLab } from "./agent-lab.ts";

test("v0.5's four arguments get a ticket that its node accepts", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  const tickets = await lab.alice.client.newtickets({
    slice: "princeton_dns",
    ntickets: 1,
    leaselen: DAY,
    ips: [node.ip],
  });
  assert.equal(tickets.length, 1);
  const anchor = { nodeKey: publicKeyFromSpki(node.signingKey.public.spki) };
  const { leaf, above } = openSliceTicket(tickets[0]!, anchor, NOW);
  assert.equal(above.length, 1);
  assert.equal(leaf.ticket.principal, lab.alice.name);
  assert.equal(leaf.ticket.slice, "princeton_dns");
  assert.deepEqual(leaf.ticket.term, { start: NOW, end: NOW + DAY });
  assert.deepEqual(leaf.ticket.validity, { start: NOW, end: NOW + HOUR });
  assert.equal(leaf.ticket.renewableUntil, NOW + 2 * DAY);
  assert.equal(leaf.ticket.resources.memoryMib, 128);
});
