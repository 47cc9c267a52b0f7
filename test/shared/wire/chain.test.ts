import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { shortfall } from "#shared/model/account.ts";
import { Fault } from "#shared/model/errors.ts";
import { shareOfOne } from "#shared/model/resources.ts";
import { countedTerm } from "#shared/model/ticket.ts";
import { formatInstant } from "#shared/model/time.ts";
import {
  openHolding,
  openIssuedTicket,
  openSliceTicket,
  openSliceTicketAtAnyTime,
  openTicket,
} from "#shared/wire/chain.ts";
import {
  chainOf,
  DAY,
  during,
  HOUR,
  KEYS,
  NOW,
  seal,
  sealedHolding,
  sealedRoot,
  sealedSliceTicket,
  serial,
} from "#test/support/documents.ts";

const anchor = { nodeKey: KEYS.node.public };
const BAD_CHAIN = { name: "BAD_CHAIN", code: 409 };

describe("a child carrying a victim's serial disturbs nobody", () => {
  const top = sealedRoot();
  const victim = sealedSliceTicket(top, { serial: serial(77), slice: "victim_one" });
  const thief = sealedSliceTicket(top, { serial: serial(77), slice: "thief_two", to: KEYS.bob });

  test("both are taken, and have identities of their own", () => {
    const [his, theirs] = [thief, victim].map((sealed) => openSliceTicket(sealed.text, anchor, NOW).leaf);
    assert.equal(his!.ticket.serial, theirs!.ticket.serial);
    assert.notEqual(his!.id, theirs!.id);
    assert.notEqual(his!.ticket.principal, theirs!.ticket.principal);
  });

  test("neither takes the other's place in an account", () => {
    const limits = [{ share: { ...top.ticket.resources, slivers: 2 }, during: top.ticket.term }];
    const charges = [victim, thief].map(({ ticket }) => {
      return { share: shareOfOne(ticket.resources), during: countedTerm(ticket) };
    });
    assert.equal(shortfall(limits, [charges[0]!], charges[1]!), undefined);
    assert.equal(shortfall(limits, charges, charges[0]!)?.dimension, "slivers");
  });

  test("a child with the serial of its own parent hangs below that parent's hash all the same", () => {
    const same = sealedHolding(top, { serial: top.ticket.serial });
    const { above, leaf } = openTicket(sealedSliceTicket(same).text, anchor);
    assert.deepEqual([...above.map((link) => link.id), leaf.ticket.parent], [top.id, same.id, same.id]);
  });
});

describe("a root that is left out", () => {
  const { holdings, leaf } = chainOf(3);
  const [top, holding] = [holdings[0], holdings[1]!];
  const known = { ...anchor, rootById: (id: string) => (id === top.id ? top.text : undefined) };
  const rootless = seal(leaf.ticket, KEYS.branch, holding.lineage.slice(1));

  test("is taken from the node's own, where the node reads", () => {
    const chain = openSliceTicket(rootless.text, known, NOW);
    assert.deepEqual(
      chain.above.map((link) => link.id),
      [top.id, holding.id],
    );
    assert.equal(openSliceTicket(chainOf(2).leaf.text, known, NOW).above.length, 1);
    const bare = seal(chainOf(2).leaf.ticket, KEYS.agent);
    assert.equal(openSliceTicket(bare.text, known, NOW).above[0]?.id, top.id);
  });

  test("is missed by everybody else, and by a node that has no such root", () => {
    assert.throws(() => openSliceTicket(rootless.text, anchor, NOW), { name: "UNKNOWN_KEY", code: 401 });
    const none = { ...anchor, rootById: () => undefined };
    assert.throws(() => openSliceTicket(rootless.text, none, NOW), { name: "UNKNOWN_KEY" });
  });

  test("is not found by what an unsigned body claims alone", () => {
    const claim = { ...anchor, rootById: () => top.text };
    const forged = seal({ ...leaf.ticket, parent: top.id }, KEYS.mallory);
    assert.throws(() => openSliceTicket(forged.text, claim, NOW), { name: "UNKNOWN_KEY" });
    const other = { ...anchor, rootById: () => sealedRoot({ serial: serial(8) }).text };
    assert.throws(() => openSliceTicket(rootless.text, other, NOW), BAD_CHAIN);
  });

  test("is never left out of a holding", () => {
    const withoutRoot = seal(holding.ticket, KEYS.agent);
    assert.throws(() => openHolding(withoutRoot.text, known, NOW), BAD_CHAIN);
    assert.equal(openHolding(holding.text, known, NOW).leaf.id, holding.id);
  });
});

describe("time", () => {
  const { leaf } = chainOf(3);
  const at = (instant: number) => () => openSliceTicket(leaf.text, anchor, instant);
  const { validity } = leaf.ticket;

  test("a window has 300 s of slack at its start, and not a second more", () => {
    at(validity.start - 300)();
    assert.throws(at(validity.start - 301), { name: "NOT_YET_VALID", code: 405 });
  });

  test("a window has 300 s of slack at its end, which is not in it", () => {
    at(validity.end + 299)();
    assert.throws(at(validity.end + 300), { name: "EXPIRED", code: 406 });
  });

  for (const which of [0, 1]) {
    test(`the window of ${which === 0 ? "the root" : "a holding above"} counts as well`, () => {
      const top = sealedRoot(which === 0 ? { validity: during(NOW, HOUR) } : {});
      const holding = sealedHolding(top, { validity: during(NOW, HOUR) });
      const below = sealedSliceTicket(holding, { validity: during(NOW, HOUR) });
      openSliceTicket(below.text, anchor, NOW + HOUR + 299);
      assert.throws(() => openSliceTicket(below.text, anchor, NOW + HOUR + 300), { name: "EXPIRED" });
      assert.throws(() => openSliceTicket(below.text, anchor, NOW - 301), { name: "NOT_YET_VALID" });
      assert.throws(() => openHolding(holding.text, anchor, NOW + HOUR + 300), { name: "EXPIRED" });
    });
  }

  test("a term has no slack: its last second is its last", () => {
    const times = { validity: during(NOW, HOUR), term: during(NOW, HOUR), renewableUntil: NOW + DAY };
    const short = sealedSliceTicket(sealedRoot(), times);
    openSliceTicket(short.text, anchor, NOW + HOUR - 1);
    assert.throws(() => openSliceTicket(short.text, anchor, NOW + HOUR), { name: "EXPIRED" });
  });

  test("a term that lies ahead is no reason to refuse a ticket: it may be a reservation", () => {
    const later = {
      validity: during(NOW, HOUR),
      term: during(NOW + DAY, DAY),
      renewableUntil: NOW + 2 * DAY,
    };
    openSliceTicket(sealedSliceTicket(sealedRoot(), later).text, anchor, NOW);
  });

  test("there is no slack between links: a second outside the parent's window or term is BAD_CHAIN", () => {
    const top = sealedRoot({ validity: during(NOW, DAY), term: during(NOW, DAY) });
    const inside = { validity: during(NOW, HOUR), term: during(NOW, DAY), renewableUntil: NOW + DAY };
    openTicket(sealedSliceTicket(top, inside).text, anchor);
    for (const outside of [
      { validity: during(NOW - 1, HOUR) },
      { term: during(NOW - 1, DAY) },
      { term: during(NOW, DAY + 1), renewableUntil: NOW + DAY + 1 },
      { renewableUntil: NOW + DAY + 1 },
    ]) {
      assert.throws(
        () => openTicket(sealedSliceTicket(top, { ...inside, ...outside }).text, anchor),
        BAD_CHAIN,
      );
    }
    const held = sealedHolding(top, { validity: during(NOW, DAY + 1), term: during(NOW, DAY) });
    assert.throws(() => openTicket(held.text, anchor), BAD_CHAIN);
  });

  test("for books and for repeated calls a chain is verified whatever the time is", () => {
    assert.equal(openTicket(leaf.text, anchor).leaf.id, leaf.id);
    assert.equal(openSliceTicketAtAnyTime(leaf.text, anchor).leaf.id, leaf.id);
    assert.throws(at(0), { name: "NOT_YET_VALID", message: new RegExp(formatInstant(validity.start)) });
  });
});

describe("what a principal is answered by an agent", () => {
  const { holdings, leaf } = chainOf(3);
  const issuer = [KEYS.agent.public, KEYS.branch.public];

  test("is taken by the agent's keys alone", () => {
    assert.equal(openIssuedTicket(leaf.text, issuer).id, leaf.id);
    assert.equal(openIssuedTicket(leaf.text, issuer).ticket.slice, "princeton_dns");
  });

  test("is refused when another signed it, and when it is a holding", () => {
    assert.throws(() => openIssuedTicket(leaf.text, [KEYS.agent.public]), { name: "UNKNOWN_KEY" });
    assert.throws(() => openIssuedTicket(holdings[1]!.text, [KEYS.agent.public]), { name: "WRONG_TYPE" });
  });

  test("is not vouched for further up: what stands above it is for the node to verify", () => {
    const astray = seal(leaf.ticket, KEYS.branch, [sealedRoot({ serial: serial(9) }).text]).text;
    assert.equal(openIssuedTicket(astray, issuer).id, leaf.id);
    assert.throws(() => openSliceTicket(astray, anchor, NOW), Fault);
  });
});
