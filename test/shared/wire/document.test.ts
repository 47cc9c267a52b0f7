import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { signingKey } from "#shared/identity/signature.ts";
import {
  documentId,
  lineageOf,
  parseDocument,
  signDocument,
  signDocumentInBackground,
  verifyDocument,
  verifyLink,
  withoutParents,
} from "#shared/wire/document.ts";
import { chainOf, KEYS } from "#test/support/documents.ts";

const body = Buffer.from(
  '<?xml version="1.0" encoding="UTF-8"?>\n<note version="1">\n  <text>hello</text>\n</note>',
);

for (const [name, key] of [
  ["Ed25519", KEYS.agent],
  ["RSA", KEYS.node],
] as const) {
  test(`a document signed with ${name} is the same every time, on and off the event loop`, async () => {
    const text = signDocument(key, body);
    assert.equal(signDocument(key, body), text);
    assert.equal(await signDocumentInBackground(key, body), text);
    assert.equal(await signDocumentInBackground(key, body, ["above"]), signDocument(key, body, ["above"]));
  });

  test(`a document signed with ${name} hands out the exact bytes of its body, and nothing to another key`, () => {
    const document = parseDocument(signDocument(key, body));
    const verified = verifyDocument(document, key.public);
    assert.deepEqual(verified.body, body);
    assert.equal(verified.id, createHash("sha256").update(body).digest("hex"));
    assert.throws(() => verifyDocument(document, KEYS.mallory.public), { name: "UNKNOWN_KEY", code: 401 });
  });
}

test("the identity of a document is its body's, whoever signs it and whatever stands above it", () => {
  const alone = parseDocument(signDocument(KEYS.agent, body));
  const below = parseDocument(signDocument(KEYS.node, body, [signDocument(KEYS.agent, body)]));
  assert.equal(alone.id, documentId(body));
  assert.equal(below.id, alone.id);
});

test("a P-256 key signs no documents", () => {
  const key = signingKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
  assert.throws(() => signDocument(key, body), { name: "ALGORITHM_FORBIDDEN", code: 402 });
});

test("a document that stands alone is refused with anything above it, and a link is not", () => {
  const document = parseDocument(signDocument(KEYS.agent, body, [signDocument(KEYS.node, body)]));
  assert.throws(() => verifyDocument(document, KEYS.agent.public), { name: "MALFORMED" });
  assert.deepEqual(verifyLink(document, KEYS.agent.public).body, body);
});

test("what a child carries is everything above its parent, and its parent, each alone and unchanged", () => {
  const { holdings, leaf } = chainOf(4);
  const lineage = lineageOf(parseDocument(holdings[2]!.text));
  assert.deepEqual(lineage, holdings[2]!.lineage);
  assert.deepEqual(
    lineage.map((text) => parseDocument(text).parents.length),
    [0, 0, 0],
  );
  assert.equal(withoutParents(parseDocument(holdings[0].text)), holdings[0].text);
  assert.deepEqual(
    parseDocument(leaf.text).parents.map((parent) => parent.id),
    holdings.map((holding) => holding.id),
  );
});

test("a document of more than 128 KiB is refused before it is taken apart", () => {
  const text = `${signDocument(KEYS.agent, body)}${"x".repeat(128 * 1024)}`;
  assert.throws(() => parseDocument(text), { name: "TOO_LARGE", code: 101 });
  assert.throws(() => parseDocument("é".repeat(64 * 1024 + 1)), { name: "TOO_LARGE" });
});
