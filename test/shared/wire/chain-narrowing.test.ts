import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Holding, Ticket } from "#shared/model/ticket.ts";
import { openTicket } from "#shared/wire/chain.ts";
import { documentId } from "#shared/wire/document.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";
import { holdingWithin, root, sliceTicketWithin } from "#test/support/arbitrary-documents.ts";
import {
  KEYS,
  type Sealed,
  seal,
  sealedHolding,
  sealedRoot,
  sealedSliceTicket,
} from "#test/support/documents.ts";
import { widenings } from "#test/support/widening.ts";

/** A chain is taken exactly when no link says more than the one above. */

const anchor = { nodeKey: KEYS.node.public };
const BAD_CHAIN = { name: "BAD_CHAIN", code: 409 };

/** A root and a child of it that says no more. */
const pair: fc.Arbitrary<{ parent: Sealed<Holding>; child: Ticket }> = root.chain((parent) => {
  const sealed = seal(parent, KEYS.node);
  const slice = sliceTicketWithin(parent, sealed.id);
  const child = parent.splits >= 2 ? fc.oneof(slice, holdingWithin(parent, sealed.id)) : slice;
  return child.map((child: Ticket) => ({ parent: sealed, child }));
});

/** A whole chain, each link narrowed at random from the one above: as many links as the splits allow, up to four. */
const chain: fc.Arbitrary<Ticket[]> = root.chain((first) => grown([first]));

function grown(links: readonly Holding[]): fc.Arbitrary<Ticket[]> {
  const last = links.at(-1)!;
  const id = documentId(writeTicket(last));
  const end = sliceTicketWithin(last, id).map((leaf): Ticket[] => [...links, leaf]);
  if (last.splits < 2) return end;
  return fc.oneof(
    end,
    holdingWithin(last, id).chain((next) => grown([...links, next])),
  );
}

/** Signs a chain's links with the keys of their issuers. */
function sealAll(links: readonly Ticket[]): Sealed {
  return links.reduce<Sealed>((above, link) => seal(link, keyNamed(link.issuer), above.lineage), {
    lineage: [],
  } as unknown as Sealed);
}

function keyNamed(name: string) {
  return Object.values(KEYS).find((key) => key.public.name === name)!;
}

test("chains narrowed at random are taken, link by link as they were written", () => {
  fc.assert(
    fc.property(chain, (links) => {
      const { above, leaf } = openTicket(sealAll(links).text, anchor);
      const ids = [...above, leaf].map((link) => link.id);
      assert.deepEqual(
        ids,
        links.map((link) => documentId(writeTicket(link))),
      );
      assert.equal(leaf.ticket.kind, "slice");
    }),
    { numRuns: 200 },
  );
});

test("whatever a child widens, by however little, is BAD_CHAIN", () => {
  const amount = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 1_000_000 }));
  fc.assert(
    fc.property(pair, amount, fc.nat(), ({ parent, child }, by, choice) => {
      const ways = widenings(parent.ticket, child, by);
      const { child: wider, how } = ways[choice % ways.length]!;
      fc.pre(isWritable(wider));
      const { text } = seal(wider, KEYS.agent, parent.lineage);
      assert.throws(() => openTicket(text, anchor), BAD_CHAIN, how);
    }),
    { numRuns: 500 },
  );
});

test("what is widened in the middle of a chain is refused at its end", () => {
  const top = sealedRoot();
  const tooMuch = { ...top.ticket.resources, memoryMib: top.ticket.resources.memoryMib + 1 };
  const middle = sealedHolding(top, { resources: tooMuch });
  assert.throws(() => openTicket(sealedSliceTicket(middle).text, anchor), BAD_CHAIN);
});

/** Amounts above twelve digits cannot be written in a document. */
function isWritable(ticket: Ticket): boolean {
  const amounts = [...Object.values(ticket.resources), ...Object.values(ticket.ceilings)];
  return amounts.every((amount) => amount === undefined || amount < 1e12);
}
