import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "#shared/model/errors.ts";
import { signDocument } from "#shared/wire/document.ts";
import { openLease, sealLease, writeLease } from "#shared/wire/lease-document.ts";
import { lease } from "#test/support/arbitrary-documents.ts";
import { chainOf, KEYS, leaseFor, sealedLease } from "#test/support/documents.ts";

const node = KEYS.node.public;

function said(lease: object): object {
  return Object.fromEntries(Object.entries(lease).filter(([, member]) => member !== undefined));
}

test("every lease is read as its node wrote it", () => {
  fc.assert(
    fc.property(lease, (lease) =>
      assert.deepEqual(said(openLease(sealLease(lease, KEYS.node), node)), said(lease)),
    ),
    { numRuns: 300 },
  );
});

test("the same lease has the same bytes, so that a repeated call can be answered with them", () => {
  assert.equal(sealedLease(), sealedLease());
});

test("a lease is taken from nobody but the node that was asked", () => {
  assert.throws(() => openLease(sealedLease(), KEYS.otherNode.public), { name: "UNKNOWN_KEY" });
  const foreign = leaseFor(chainOf(2).leaf, { node: KEYS.otherNode.public.name });
  assert.throws(() => openLease(sealLease(foreign, KEYS.node), node), { name: "WRONG_NODE", code: 404 });
  const forged = signDocument(KEYS.mallory, writeLease(leaseFor(chainOf(2).leaf)));
  assert.throws(() => openLease(forged, node), { name: "UNKNOWN_KEY" });
});

test("a ticket is no lease, even when the node signed it", () => {
  assert.throws(() => openLease(chainOf(2).holdings[0].text, node), { name: "WRONG_TYPE", code: 403 });
});

test("no byte of a lease can be changed, cut off, left out or put in", () => {
  const bytes = Buffer.from(sealedLease());
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 1 << (at % 7);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + 1)];
    const inserted = Buffer.concat([bytes.subarray(0, at), Buffer.of(bytes[at]!), bytes.subarray(at)]);
    for (const mutant of [flipped, before, Buffer.concat([before, after]), inserted]) {
      assert.throws(() => openLease(mutant.toString(), node), Fault, `byte ${at}`);
    }
  }
});

test("nothing can be hung above a lease", () => {
  const lines = sealedLease().split("\n");
  const parent = `parent-base64: ${Buffer.from(chainOf(2).holdings[0].text).toString("base64")}`;
  const below = [...lines.slice(0, 2), parent, ...lines.slice(2)].join("\n");
  assert.throws(() => openLease(below, node), { name: "MALFORMED" });
});
