import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { REVOKED_KINDS, type RevocationList, type Revoked } from "#shared/model/revocation.ts";
import {
  claimedList,
  MAX_REVOKED,
  openRevocations,
  sealRevocations,
  writeRevocations,
} from "#shared/wire/revocation-document.ts";
import { RevocationLists } from "#shared/wire/revocation-lists.ts";
import { KEYS, NOW, sealBody, serial } from "#test/support/documents.ts";
import { revocationsBy } from "#test/support/revocations.ts";

const id = "0123456789abcdef".repeat(4);
const { node, otherNode } = KEYS;
const name = node.public.name;

function list(revoked: readonly Revoked[], more: Partial<RevocationList> = {}): RevocationList {
  return { issuer: name, number: 7, at: NOW, revoked, ...more };
}

const keys = list([{ kind: "key", id, since: NOW - 60 }]);
const asAgent = list([
  { kind: "principal", id, since: NOW },
  { kind: "ticket", id: id.replace("0", "f"), since: NOW - 1 },
]);

test("a list is read as it was written, by whoever trusts its signer", () => {
  const text = sealRevocations(keys, node);
  assert.equal(claimedList(text).signer, name);
  assert.deepEqual(openRevocations(text, node.public, "authority").list, keys);
  assert.deepEqual(openRevocations(sealRevocations(asAgent, node), node.public, "agent").list, asAgent);
  const leases = list([{ kind: "lease", id: serial(3), since: NOW }]);
  assert.deepEqual(openRevocations(sealRevocations(leases, node), node.public, "node").list, leases);
  assert.deepEqual(openRevocations(sealRevocations(list([]), node), node.public, "node").list.revoked, []);
});

test("a list may say when the next one is due, and is overdue when that has passed, never before", () => {
  const due = list([], { nextUpdate: NOW + 100 });
  const opened = openRevocations(sealRevocations(due, node), node.public, "authority");
  assert.deepEqual(opened.list, due);
  const lists = new RevocationLists();
  lists.put(opened);
  assert.deepEqual(lists.concerns(NOW + 100 + 299), []);
  assert.match(
    lists.concerns(NOW + 100 + 300).join(),
    /of the authority [0-9a-f]{12}… is of .* another was due by/,
  );
  lists.put({ signer: "authority", key: node.public, document: "", id, list: { ...keys, number: 8 } });
  assert.deepEqual(lists.concerns(NOW + 1e9), [], "lists of before say nothing of it");
  const backwards = sealRevocations(list([], { nextUpdate: NOW }), node);
  assert.throws(() => openRevocations(backwards, node.public, "authority"), /^MALFORMED.*after this one/);
});

test("a list of another signer, altered, or in another's name is refused", () => {
  const text = sealRevocations(keys, node);
  assert.throws(() => openRevocations(text, otherNode.public, "authority"), /^UNKNOWN_KEY/);
  const altered = text.replace("<number>7<", "<number>8<");
  assert.throws(() => openRevocations(altered, node.public, "authority"), /^BAD_SIGNATURE/);
  const foreign = sealRevocations(list([], { issuer: otherNode.public.name }), node);
  assert.throws(() => openRevocations(foreign, node.public, "authority"), /^NOT_PRINCIPAL/);
});

test("nobody revokes what others decide about: only the authority names keys", () => {
  const text = sealRevocations(keys, node);
  assert.throws(() => openRevocations(text, node.public, "agent"), /^NO_PRIVILEGE/);
  assert.throws(() => openRevocations(text, node.public, "node"), /^NO_PRIVILEGE/);
  const tickets = sealRevocations(asAgent, node);
  assert.throws(() => openRevocations(tickets, node.public, "authority"), /^NO_PRIVILEGE/);
  assert.throws(() => openRevocations(tickets, node.public, "node"), /^NO_PRIVILEGE/);
});

test("what is not exactly a list is refused", () => {
  const body = writeRevocations(asAgent).toString();
  const entry = /<principal>.*?<\/principal>/.exec(body)![0];
  const wrong: [string, RegExp][] = [
    [body.replaceAll("revocations", "lease"), /^WRONG_TYPE/],
    [body.replace('version="1"', 'version="2"'), /^MALFORMED/],
    [body.replace("<number>7<", "<number>07<"), /^MALFORMED/],
    [body.replace("<number>7</number>", ""), /^MALFORMED/],
    [body.replace(id, id.toUpperCase()), /^MALFORMED/],
    [body.replace(entry, entry + entry), /^MALFORMED/],
    [body.replace("<principals>", "<principals><other/>"), /^MALFORMED/],
    [body.replace("2030-01-01", "2030-02-30"), /^MALFORMED/],
    [body.replace("<principals>", "<slices/><principals>"), /^MALFORMED/],
  ];
  for (const [altered, fault] of wrong) {
    assert.notEqual(altered, body);
    const { text } = sealBody(Buffer.from(altered), node);
    assert.throws(() => openRevocations(text, node.public, "agent"), fault, altered);
  }
});

test("any list can be sealed and read again, in one order, each entry once with its earliest time", () => {
  const entry = fc.record({
    kind: fc.constantFrom(...REVOKED_KINDS.slice(1, 3)),
    id: fc.constantFrom("a", "b", "c").map((letter) => letter.repeat(64)),
    since: fc.integer({ min: NOW, max: NOW + 9 }),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), (revoked) => {
      const read = openRevocations(sealRevocations(list(revoked), node), node.public, "agent").list.revoked;
      const earliest = new Map<string, number>();
      for (const one of revoked) {
        const known = earliest.get(`${one.kind} ${one.id}`) ?? one.since;
        earliest.set(`${one.kind} ${one.id}`, Math.min(known, one.since));
      }
      assert.deepEqual(new Map(read.map((one) => [`${one.kind} ${one.id}`, one.since])), earliest);
      assert.equal(read.length, earliest.size);
    }),
    { numRuns: 100 },
  );
});

test("a list has room for years, and one that has not says so", () => {
  const many = Array.from({ length: MAX_REVOKED + 1 }, (_, number) => ({
    kind: "key" as const,
    id: number.toString(16).padStart(64, "0"),
    since: NOW,
  }));
  const full = list(many.slice(1));
  assert.deepEqual(openRevocations(sealRevocations(full, node), node.public, "authority").list, full);
  assert.throws(() => sealRevocations(list(many), node), /^TOO_LARGE/);
});

test("whoever goes by lists goes by the latest of each signer, and knows whose calls are refused", () => {
  const held = (of: RevocationList, signer: "authority" | "agent", key = node) => {
    const document = sealRevocations({ ...of, issuer: key.public.name }, key);
    return openRevocations(document, key.public, signer);
  };
  const lists = new RevocationLists(otherNode.public.name);
  const first = held(keys, "authority");
  assert.equal(lists.isNews(first), true);
  lists.put(first);
  assert.equal(lists.isNews(first), false);
  assert.equal(lists.isRevoked(id), true);
  const later = held(list([], { number: 8 }), "authority");
  lists.put(later, held(asAgent, "agent", otherNode));
  assert.throws(() => lists.isNews(first), /^EXPIRED/);
  assert.equal(lists.isRevoked(id), true, "its own list names it as a principal");
  assert.equal(lists.isRevoked(id.replace("0", "f")), false, "a ticket is nobody who calls");
  assert.deepEqual(lists.documents([later.id]), [lists.of(otherNode.public.name)!.document]);
  const stranger = new RevocationLists();
  stranger.put(held(asAgent, "agent", otherNode));
  assert.equal(stranger.isRevoked(id), false, "what an agent decides is no matter of others");
});

test("of the lists of one signer a process goes by the latest, in whichever order they are put there", () => {
  const [revoked, signer] = ["e".repeat(64), KEYS.node];
  const list = (number: number, key: readonly string[]) =>
    openRevocations(revocationsBy(signer, number, { key }), signer.public, "authority");
  const lists = new RevocationLists();
  lists.put(list(6, [revoked]));
  lists.put(list(5, []));
  assert.deepEqual([lists.isRevoked(revoked), lists.of(signer.public.name)?.list.number], [true, 6]);
});
