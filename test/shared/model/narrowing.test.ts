import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkNarrowing, NARROWING } from "#shared/model/narrowing.ts";
import type { Holding, Ticket } from "#shared/model/ticket.ts";
import { holdingWithin, root, sliceTicketWithin } from "#test/support/arbitrary-documents.ts";
import { widenings } from "#test/support/widening.ts";

const PARENT_ID = "ab".repeat(32);

/** A parent, and a child that says no more. */
const pair: fc.Arbitrary<{ parent: Holding; child: Ticket }> = root.chain((parent) => {
  const slice = sliceTicketWithin(parent, PARENT_ID);
  const child = parent.splits >= 2 ? fc.oneof(slice, holdingWithin(parent, PARENT_ID)) : slice;
  return child.map((child: Ticket) => ({ parent, child }));
});

const amount = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 1_000_000 }));

test("a child that says no more than its parent is accepted, whatever both say", () => {
  fc.assert(
    fc.property(pair, ({ parent, child }) => checkNarrowing(parent, child)),
    { numRuns: 2000 },
  );
});

test("whatever a child widens, it is refused by the row of that element", () => {
  fc.assert(
    fc.property(pair, amount, ({ parent, child }, by) => {
      for (const { element, how, child: wider } of widenings(parent, child, by)) {
        const broken = NARROWING.filter((rule) => !rule.holds(parent, wider)).map((rule) => rule.element);
        assert.ok(broken.includes(element), `${how}: only ${broken.join("; ") || "nothing"} was broken`);
        assert.throws(() => checkNarrowing(parent, wider), { name: "BAD_CHAIN" });
      }
    }),
    { numRuns: 500 },
  );
});

test("every row of the table is one that a child can break", () => {
  const broken = new Set<string>();
  for (const { parent, child } of fc.sample(pair, 300)) {
    for (const { element } of widenings(parent, child, 1)) broken.add(element);
  }
  assert.deepEqual([...broken].sort(), NARROWING.map((rule) => rule.element).sort());
});

test("widening one element breaks the row of that element and no other", () => {
  fc.assert(
    fc.property(pair, ({ parent, child }) => {
      for (const { element, child: wider } of widenings(parent, child, 1)) {
        const broken = NARROWING.filter((rule) => !rule.holds(parent, wider)).map((rule) => rule.element);
        // A term that ends later takes what may be renewed along with it.
        const along = element === "start_time, end_time" ? ["renewable_until_time"] : [];
        assert.deepEqual(
          broken.filter((name) => !along.includes(name)),
          [element],
        );
      }
    }),
    { numRuns: 500 },
  );
});

test("what the parent leaves open, its child may settle, and what is absent in the parent is not given", () => {
  const [parent] = fc.sample(root, 1) as [Holding];
  const open: Holding = {
    ...parent,
    ceilings: {},
    engine: undefined,
    image: undefined,
    slicePrefix: undefined,
    ports: [],
    administrative: undefined,
  };
  const [child] = fc.sample(sliceTicketWithin(open, PARENT_ID), 1);
  const settled: Ticket = { ...child!, ceilings: { cpuMillis: 0 }, engine: "microvm", image: "debian-13" };
  checkNarrowing(open, settled);
  const port = { protocol: "tcp", from: 80, to: 80 } as const;
  assert.throws(() => checkNarrowing(open, { ...settled, ports: [port] }), { name: "BAD_CHAIN" });
  assert.throws(() => checkNarrowing(open, { ...settled, administrative: ["CAP_BPF"] }), {
    name: "BAD_CHAIN",
  });
});

test("a holding without slivers gives none, not even one for a slice ticket", () => {
  fc.assert(
    fc.property(
      root.chain((parent) => sliceTicketWithin(parent, PARENT_ID).map((child) => ({ parent, child }))),
      ({ parent, child }) => {
        const none = { ...parent, resources: { ...parent.resources, slivers: 0 } };
        assert.throws(() => checkNarrowing(none, child), { name: "BAD_CHAIN" });
      },
    ),
    { numRuns: 50 },
  );
});
