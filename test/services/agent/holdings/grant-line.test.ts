import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type GrantLimit, piecesOf } from "#services/agent/holdings/grant-line.ts";
import { limitAt } from "#shared/model/account.ts";
import { joined, type PortRange } from "#shared/model/ports.ts";
import { NOTHING, type Share } from "#shared/model/resources.ts";
import { includes } from "#shared/model/time.ts";

const amount = fc.integer({ min: 0, max: 3 });
const share: fc.Arbitrary<Share> = fc.record({
  cpuMillis: amount,
  memoryMib: amount,
  diskMib: amount,
  egressKbps: amount,
  slivers: fc.integer({ min: 1, max: 3 }),
});
const port: fc.Arbitrary<PortRange> = fc
  .tuple(fc.constantFrom("tcp" as const, "udp" as const), fc.integer({ min: 1, max: 9 }), amount)
  .map(([protocol, from, more]) => ({ protocol, from, to: from + more }));
const grant: fc.Arbitrary<GrantLimit> = fc.record({
  share,
  ports: fc.array(port, { maxLength: 2 }),
  during: fc
    .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 1, max: 10 }))
    .map(([start, length]) => ({ start, end: start + length })),
});

test("the pieces of a line are, at every instant, the larger of its grants and the ports of all, each time once", () => {
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 5 }), (line) => {
      const pieces = piecesOf(line);
      for (let instant = -1; instant < 30; instant += 1) {
        const there = pieces.filter(({ during }) => includes(during, instant));
        assert.ok(there.length <= 1, "pieces do not overlap");
        assert.deepEqual(there[0]?.share ?? NOTHING, limitAt(line, instant));
        const ports = line.filter(({ during }) => includes(during, instant)).flatMap((g) => g.ports);
        assert.deepEqual(there[0]?.ports ?? [], joined(ports));
      }
      for (const [at, { during }] of pieces.slice(1).entries()) {
        assert.ok(pieces[at]!.during.end <= during.start, "in their order");
      }
    }),
    { numRuns: 300 },
  );
});

test("a grant renewed for as much is one piece, so that nothing has to be added up over time", () => {
  const same: GrantLimit = { share: { ...NOTHING, slivers: 5 }, ports: [], during: { start: 0, end: 10 } };
  assert.deepEqual(piecesOf([same, { ...same, during: { start: 8, end: 20 } }]), [
    { ...same, during: { start: 0, end: 20 } },
  ]);
});
