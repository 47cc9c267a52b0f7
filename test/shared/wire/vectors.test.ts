import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseInstant } from "#shared/model/time.ts";
import { openHolding, openSliceTicket } from "#shared/wire/chain.ts";
import { parseDocument, verifyLink } from "#shared/wire/document.ts";
import { openLease } from "#shared/wire/lease-document.ts";
import { openRequest } from "#shared/wire/request-document.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";
import { readTicket } from "#shared/wire/ticket-document.ts";
import { KEYS } from "#test/support/documents.ts";
import { allFiles } from "#test/vectors/generate.ts";
import {
  KINDS,
  pathsOf,
  readVectorFile,
  readVectors,
  type Vector,
  type VectorKind,
} from "#test/vectors/vector.ts";

/** Reads a vector as its kind is read, and answers the identity of what was read, where it has one. */
const READERS: Record<VectorKind, (vector: Vector) => string | undefined> = {
  headers: ({ text, given }) => verifyLink(parseDocument(text), trusted(given?.key)).id,
  tickets: ({ text, given }) => {
    const verified = verifyLink(parseDocument(text), trusted(given?.key));
    readTicket(verified);
    return verified.id;
  },
  leases: ({ text, given }) => {
    openLease(text, trusted(given?.key));
    return parseDocument(text).id;
  },
  chains: ({ text, given }) => {
    const open = given?.as === "holding" ? openHolding : openSliceTicket;
    return open(text, { nodeKey: trusted(given?.node) }, parseInstant(given!.at!)).leaf.id;
  },
  requests: ({ text, given }) => openRequest(text, trusted(given?.key)).id,
  descriptions: ({ text }) => {
    readSliceDescription(text);
    return undefined;
  },
};

for (const kind of KINDS) {
  describe(`test vectors: ${kind}`, () => {
    for (const vector of readVectors(kind, "valid")) {
      test(`${vector.name} is taken: ${vector.why}`, () => {
        assert.equal(READERS[kind](vector), vector.id);
      });
    }
    for (const vector of readVectors(kind, "invalid")) {
      test(`${vector.name} is ${vector.fault}: ${vector.why}`, () => {
        assert.throws(() => READERS[kind](vector), { name: vector.fault });
      });
    }
  });
}

test("the committed vectors are what the generator makes, file for file and byte for byte", () => {
  const files = allFiles();
  assert.deepEqual(KINDS.flatMap(pathsOf).sort(), [...files.keys()].sort());
  for (const [path, content] of files) assert.equal(readVectorFile(path), content, path);
});

test("every vector shows something of its own", () => {
  for (const kind of KINDS) {
    const valid = readVectors(kind, "valid");
    const invalid = readVectors(kind, "invalid");
    const taken = new Set(valid.map((vector) => vector.text));
    assert.ok(!invalid.some((vector) => taken.has(vector.text) && kind !== "chains"));
    assert.ok(valid.length >= 3 && invalid.length >= 15, `there are few ${kind}`);
  }
});

function trusted(name: string | undefined) {
  const key = Object.entries(KEYS).find(([known]) => known === name)?.[1];
  assert.ok(key, `there is no test key ${name}`);
  return key.public;
}
