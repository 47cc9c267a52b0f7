import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Ticket } from "#shared/model/ticket.ts";
import { documentId } from "#shared/wire/document.ts";
import { readTicket, readTicketAndKey, writeTicket } from "#shared/wire/ticket-document.ts";
import { holdingWithin, root, sliceTicketWithin } from "#test/support/arbitrary-documents.ts";
import { chainOf, KEYS, NOW } from "#test/support/documents.ts";

const ticket: fc.Arbitrary<Ticket> = root.chain((parent) => {
  const id = documentId(writeTicket(parent));
  const below = parent.splits >= 2 ? [holdingWithin(parent, id)] : [];
  return fc.oneof(fc.constant<Ticket>(parent), sliceTicketWithin(parent, id), ...below);
});

function read(body: Buffer): Ticket {
  return readTicket({ id: documentId(body), body });
}

/** Absent members of what was read are `undefined`; those of what was generated may not be there. */
function said(ticket: Ticket): object {
  return Object.fromEntries(Object.entries(ticket).filter(([, member]) => member !== undefined));
}

test("every ticket is read as it was written", () => {
  fc.assert(
    fc.property(ticket, (ticket) => assert.deepEqual(said(read(writeTicket(ticket))), said(ticket))),
    { numRuns: 1000 },
  );
});

test("what is read is written with the same bytes", () => {
  fc.assert(
    fc.property(ticket, (ticket) => {
      const body = writeTicket(ticket);
      assert.deepEqual(writeTicket(read(body)), body);
    }),
    { numRuns: 300 },
  );
});

test("the order of elements and the white space between them say nothing", () => {
  const lines = fc
    .tuple(ticket, fc.nat(), fc.constantFrom("", "\n", "\r\n\t ", " "))
    .map(([ticket, seed, space]) => {
      const [declaration, open, ...rest] = writeTicket(ticket).toString().split("\n");
      const close = rest.pop();
      const elements = rest.map((line, index) => ({ line, at: (index * 7919 + seed) % rest.length }));
      elements.sort((a, b) => a.at - b.at);
      const body = [declaration, open, ...elements.map(({ line }) => line.trim()), close].join(space);
      return { ticket, body };
    });
  fc.assert(
    fc.property(lines, ({ ticket, body }) => assert.deepEqual(said(read(Buffer.from(body))), said(ticket))),
    { numRuns: 300 },
  );
});

test("what a reader fills in when it is absent: no overbooking, renewable to twice the length", () => {
  const body = writeTicket(chainOf(2).leaf.ticket).toString();
  const shorter = body
    .replace(/<overbooking>.*<\/overbooking>/, "")
    .replace(/<renewable_until_time>.*<\/renewable_until_time>/, "");
  const ticket = read(Buffer.from(shorter));
  assert.equal(ticket.overbooking, 1000);
  assert.ok(ticket.kind === "slice");
  assert.equal(ticket.renewableUntil, NOW + 2 * 86_400);
});

test("a holding hands out the key that verifies what is split from it; a slice ticket has none", () => {
  const { holdings, leaf } = chainOf(2);
  const body = writeTicket(holdings[0].ticket);
  assert.equal(readTicketAndKey({ id: "", body }).key?.name, KEYS.agent.public.name);
  assert.equal(readTicketAndKey({ id: "", body: writeTicket(leaf.ticket) }).key, undefined);
});
