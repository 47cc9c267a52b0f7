import assert from "node:assert/strict";
import { test } from "node:test";
import {
  isNews,
  nextListNumber,
  type RevocableLink,
  refuseRevoked,
  revocationOf,
  type SignedList,
} from "#shared/model/revocation.ts";

const name = (letter: string) => letter.repeat(64);
const [node, agentOne, agentTwo, ada] = [name("1"), name("2"), name("3"), name("4")] as const;
const [keyOne, keyTwo] = [name("5"), name("6")] as const;

/** The node's root, for one agent; what that one handed on to another; a ticket of this one for ada. */
const chain: readonly RevocableLink[] = [
  { id: name("a"), signer: node, keys: [node, keyOne, agentOne] },
  { id: name("b"), signer: agentOne, keys: [keyOne, keyTwo, agentTwo] },
  { id: name("c"), signer: agentTwo, keys: [keyTwo, ada] },
];

function listOf(signer: SignedList["signer"], issuer: string, ...named: string[]): SignedList {
  const kind = signer === "authority" ? "key" : "principal";
  const revoked = named.map((id) => ({ kind, id, since: 0 }) as const);
  return { signer, list: { issuer, number: 1, at: 0, revoked } };
}

test("an authority's list is about every key of a chain, wherever it stands", () => {
  for (const key of [node, agentOne, agentTwo, keyTwo, ada]) {
    assert.equal(revocationOf(chain, [listOf("authority", name("9"), key)])?.revoked.id, key);
  }
  assert.equal(revocationOf(chain, [listOf("authority", name("9"), name("8"))]), undefined);
});

test("an agent's list binds what it issued and everything beneath, and nothing above or beside", () => {
  const binds = (issuer: string, named: string) => revocationOf(chain, [listOf("agent", issuer, named)]);
  assert.ok(binds(agentTwo, ada), "its own ticket");
  assert.ok(binds(agentTwo, name("c")));
  assert.ok(binds(agentOne, ada), "a ticket beneath what it handed on");
  assert.ok(binds(agentOne, agentTwo), "the agent it handed on to");
  assert.ok(binds(agentOne, name("b")));
  assert.equal(binds(agentTwo, name("b")), undefined, "what it was given is not its own");
  assert.equal(binds(agentTwo, agentOne), undefined);
  assert.equal(binds(agentOne, name("a")), undefined, "nor the root");
  assert.equal(binds(agentOne, node), undefined);
  assert.equal(binds(name("7"), ada), undefined, "an agent that has no part in it");
});

test("whoever redeems beneath something revoked is told what and by whom", () => {
  assert.throws(
    () => refuseRevoked(chain, [listOf("agent", agentTwo, ada)]),
    /^REVOKED: .*the principal 4444/,
  );
  refuseRevoked(chain, []);
});

test("a list counts over those with lower numbers, and the first of two that have one", () => {
  const held = { id: name("a"), number: 7 };
  assert.equal(isNews(undefined, held), true);
  assert.equal(isNews(held, { id: name("b"), number: 8 }), true);
  assert.equal(isNews(held, held), false);
  assert.throws(() => isNews(held, { id: name("b"), number: 6 }), /^EXPIRED/);
  assert.throws(() => isNews(held, { id: name("b"), number: 7 }), /^BAD_CHAIN/);
});

test("numbers rise, also for a signer that has forgotten its last one", () => {
  assert.equal(nextListNumber(undefined, 1_900_000_000), 1_900_000_000);
  assert.equal(nextListNumber(5, 1_900_000_000), 1_900_000_000);
  assert.equal(nextListNumber(1_900_000_000, 1_900_000_000), 1_900_000_001);
});
