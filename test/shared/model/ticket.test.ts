import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLeaseConsistent } from "#shared/model/lease.ts";
import { checkConsistent, countedTerm, defaultRenewableUntil } from "#shared/model/ticket.ts";
import { chainOf, leaseFor, rootTicket } from "#test/support/documents.ts";

const { leaf } = chainOf(2);
const BAD_CHAIN = { name: "BAD_CHAIN", code: 409 };

test("a holding splits one to three times", () => {
  for (const splits of [1, 2, 3]) checkConsistent(rootTicket({ splits }));
  for (const splits of [0, 4, -1]) assert.throws(() => checkConsistent(rootTicket({ splits })), BAD_CHAIN);
});

test("a slice ticket is split from something, redeemed within its term, and renewed no less than to its end", () => {
  const { ticket } = leaf;
  checkConsistent(ticket);
  assert.throws(() => checkConsistent({ ...ticket, parent: undefined }), BAD_CHAIN);
  const late = { start: ticket.validity.start, end: ticket.term.end + 1 };
  assert.throws(() => checkConsistent({ ...ticket, validity: late }), BAD_CHAIN);
  assert.throws(() => checkConsistent({ ...ticket, renewableUntil: ticket.term.end - 1 }), BAD_CHAIN);
});

test("whoever is administrative says at what", () => {
  assert.throws(() => checkConsistent(rootTicket({ administrative: [] })), BAD_CHAIN);
  assert.throws(() => checkConsistent({ ...leaf.ticket, administrative: [] }), BAD_CHAIN);
  assert.throws(() => checkLeaseConsistent(leaseFor(leaf, { administrative: [] })), { name: "MALFORMED" });
});

test("a slice ticket counts to the end of what may be renewed, by default twice its length", () => {
  const { ticket } = leaf;
  assert.deepEqual(countedTerm(ticket), { start: ticket.term.start, end: ticket.renewableUntil });
  assert.equal(defaultRenewableUntil({ start: 100, end: 130 }), 160);
});

test("a lease is renewable at least to its own end", () => {
  const lease = leaseFor(leaf);
  checkLeaseConsistent({ ...lease, renewableUntil: lease.term.end });
  assert.throws(() => checkLeaseConsistent({ ...lease, renewableUntil: lease.term.end - 1 }), {
    name: "MALFORMED",
  });
});
