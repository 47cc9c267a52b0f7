import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { publicKeyOf } from "#shared/identity/key.ts";
import {
  MAX_LISTED_BENEATH,
  MAX_STATED_TICKETS,
  openStatement,
  type Statement,
  sealStatement,
  TICKET_STATES,
  writeStatement,
} from "#shared/wire/statement-document.ts";
import { KEYS, NOW, sealBody } from "#test/support/documents.ts";

const id = "0123456789abcdef".repeat(4);
const statement: Statement = {
  node: KEYS.node.public.name,
  at: NOW,
  tickets: [
    { id, state: "leased" },
    {
      id: id.replace("0", "f"),
      state: "cancelled",
      beneath: { count: 2, tickets: [id, id.replace("0", "e")] },
    },
    { id: id.replace("0", "d"), state: "cancelled", beneath: { count: 0, tickets: [] } },
  ],
};

test("a statement is read as it was written, by whoever trusts its node", () => {
  const text = sealStatement(statement, KEYS.node);
  assert.deepEqual(openStatement(text, KEYS.node.public), statement);
  assert.deepEqual(
    openStatement(sealStatement({ ...statement, tickets: [] }, KEYS.node), KEYS.node.public).tickets,
    [],
  );
});

test("a statement of another node, altered, or about another node is refused", () => {
  const text = sealStatement(statement, KEYS.node);
  assert.throws(() => openStatement(text, KEYS.otherNode.public), /^UNKNOWN_KEY/);
  assert.throws(() => openStatement(text.replace("leased", "ended"), KEYS.node.public), /^BAD_SIGNATURE/);
  const foreign = sealStatement({ ...statement, node: KEYS.otherNode.public.name }, KEYS.node);
  assert.throws(() => openStatement(foreign, KEYS.node.public), /^WRONG_NODE/);
});

test("what is not exactly a statement is refused", () => {
  const body = writeStatement(statement).toString();
  const wrong: [string, RegExp][] = [
    [body.replaceAll("statement", "lease"), /^WRONG_TYPE/],
    [body.replace('version="1"', 'version="2"'), /^MALFORMED/],
    [body.replace("leased", "gone"), /^MALFORMED/],
    [body.replace("<count>2<", "<count>02<"), /^MALFORMED/],
    [body.replace(id, id.toUpperCase()), /^MALFORMED/],
    [body.replace("<state>leased</state>", ""), /^MALFORMED/],
    [body.replace("<tickets>", "<tickets><other/>"), /^MALFORMED/],
    [body.replace("2030-01-01", "2030-02-30"), /^MALFORMED/],
  ];
  for (const [altered, fault] of wrong) {
    assert.notEqual(altered, body);
    const { text } = sealBody(Buffer.from(altered), KEYS.node);
    assert.throws(() => openStatement(text, KEYS.node.public), fault, altered);
  }
});

test("any statement within its limits can be sealed and read again", () => {
  const name = fc.stringMatching(/^[0-9a-f]{64}$/);
  const beneath = fc.record({ count: fc.nat(100_000), tickets: fc.array(name, { maxLength: 1 }) });
  const ticket = fc.record({
    id: name,
    state: fc.constantFrom(...TICKET_STATES),
    beneath: fc.option(beneath, { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(ticket, { maxLength: MAX_STATED_TICKETS }), (tickets) => {
      const sealed = sealStatement({ ...statement, tickets }, KEYS.node);
      const read = openStatement(sealed, publicKeyOf(KEYS.node.private));
      assert.deepEqual(JSON.parse(JSON.stringify(read.tickets)), JSON.parse(JSON.stringify(tickets)));
    }),
    { numRuns: 50 },
  );
});

test("the largest statement fits into a document", () => {
  const tickets = Array.from({ length: MAX_STATED_TICKETS }, (_, i) => ({
    id,
    state: "unredeemed" as const,
    beneath: { count: 999_999, tickets: i === 0 ? Array.from({ length: MAX_LISTED_BENEATH }, () => id) : [] },
  }));
  assert.equal(
    openStatement(sealStatement({ ...statement, tickets }, KEYS.node), KEYS.node.public).tickets.length,
    50,
  );
});
