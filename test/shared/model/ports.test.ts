import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  clash,
  countPorts,
  formatPorts,
  lowestPorts,
  type PortRange,
  portsWithin,
} from "#shared/model/ports.ts";

/** Few ports, so that a brute force can look at every one. */
const PORTS = Array.from({ length: 24 }, (_, index) => index + 1);
const PROTOCOLS = ["tcp", "udp"] as const;

const range: fc.Arbitrary<PortRange> = fc
  .tuple(fc.constantFrom(...PROTOCOLS), fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 24 }))
  .map(([protocol, a, b]) => ({ protocol, from: Math.min(a, b), to: Math.max(a, b) }));
const ranges = fc.array(range, { maxLength: 5 });

function has(list: readonly PortRange[], protocol: string, port: number): boolean {
  return list.some((r) => r.protocol === protocol && r.from <= port && port <= r.to);
}

test("ranges lie within others exactly when each of their ports does", () => {
  fc.assert(
    fc.property(ranges, ranges, (inner, outer) => {
      const every = PROTOCOLS.every((protocol) =>
        PORTS.every((port) => !has(inner, protocol, port) || has(outer, protocol, port)),
      );
      assert.equal(portsWithin(inner, outer), every);
    }),
    { numRuns: 3000 },
  );
});

test("ranges clash exactly when they share a port of one protocol", () => {
  fc.assert(
    fc.property(ranges, ranges, (a, b) => {
      const shared = PROTOCOLS.some((protocol) =>
        PORTS.some((port) => has(a, protocol, port) && has(b, protocol, port)),
      );
      assert.equal(clash(a, b) !== undefined, shared);
    }),
    { numRuns: 3000 },
  );
});

test("a range may be covered by several that touch, in any order, and not across a gap", () => {
  const wide = [{ protocol: "tcp", from: 80, to: 90 } as const];
  const [low, high] = [
    { protocol: "tcp", from: 70, to: 84 } as const,
    { protocol: "tcp", from: 85, to: 99 } as const,
  ];
  assert.equal(portsWithin(wide, [high, low]), true);
  assert.equal(portsWithin(wide, [{ ...high, from: 86 }, low]), false);
  assert.equal(portsWithin([], []), true);
});

test("the lowest ports of some ranges are the lowest, as many as wanted or as there are, each once", () => {
  const tcp = ranges.map((list) => list.map((one) => ({ ...one, protocol: "tcp" as const })));
  fc.assert(
    fc.property(tcp, fc.nat({ max: 30 }), (list, count) => {
      const there = PORTS.filter((port) => has(list, "tcp", port));
      const lowest = lowestPorts(list, count);
      const chosen = PORTS.filter((port) => has(lowest, "tcp", port));
      assert.deepEqual(chosen, there.slice(0, count));
      assert.equal(countPorts(lowest), chosen.length, "no port in two ranges");
    }),
  );
});

test("a range is written as people read it", () => {
  assert.equal(formatPorts({ protocol: "tcp", from: 8080, to: 8080 }), "tcp 8080");
  assert.equal(formatPorts({ protocol: "udp", from: 5000, to: 5009 }), "udp 5000-5009");
});
