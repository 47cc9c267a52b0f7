import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "#shared/model/errors.ts";
import { readPacket, valueText, writePacket } from "#shared/wire/ganglia/packet.ts";
import { packet } from "./arbitrary-metrics.ts";

/** As gmond and gmetric 3.7.2 sent them. */
const CAPTURED = {
  metadata:
    "0000008000000002766d000000000003666f6f000000000000000006737472696e67000000000003666f6f0000000000000000010000000a0000001e000000020000000547524f5550000000000000036772700000000004444553430000000464657363",
  string: "0000008500000002766d000000000003666f6f000000000000000002257300000000000161000000",
  uint: "0000008400000002766d0000000000096865617274626561740000000000000000000002257500006b011db2",
  float: "0000008600000002766d0000000000086c6f61645f6f6e650000000000000004252e32664028f5c3",
};
const FOO = { host: "vm", name: "foo", spoof: false };

test("what real gmond and gmetric send is read as they meant it, and written as they wrote it", () => {
  const read = (name: keyof typeof CAPTURED) => readPacket(Buffer.from(CAPTURED[name], "hex"));
  const extra = [
    ["GROUP", "grp"],
    ["DESC", "desc"],
  ];
  const metadata = { type: "string", units: "", slope: "positive", tmax: 10, dmax: 30, extra };
  assert.deepEqual(read("metadata"), { kind: "metadata", id: FOO, metadata });
  assert.deepEqual(read("string"), { kind: "value", id: FOO, as: "string", format: "%s", value: "a" });
  const heartbeat = read("uint");
  assert.ok(heartbeat.kind === "value" && heartbeat.as === "uint" && heartbeat.value === 0x6b011db2);
  const load = read("float");
  assert.ok(load.kind === "value" && load.as === "float");
  assert.equal(valueText(load), "2.64");
  for (const hex of Object.values(CAPTURED))
    assert.equal(writePacket(readPacket(Buffer.from(hex, "hex"))).toString("hex"), hex);
});

test("every packet is read back as it was written", () => {
  fc.assert(fc.property(packet, (packet) => assert.deepEqual(readPacket(writePacket(packet)), packet)));
});

test("a packet cut anywhere, or with anything behind it, is refused", () => {
  fc.assert(
    fc.property(packet, fc.nat(), (packet, at) => {
      const bytes = writePacket(packet);
      assert.throws(() => readPacket(bytes.subarray(0, at % bytes.length)), { name: "MALFORMED" });
      assert.throws(() => readPacket(Buffer.concat([bytes, Buffer.alloc(4)])), { name: "MALFORMED" });
    }),
  );
});

test("any bytes at all are a packet or a fault, never another error", () => {
  const head = fc.constantFrom(128, 129, 130, 131, 132, 133, 134, 135, 136, 0, 137, 0xffff_ffff);
  const changed = fc.tuple(packet, fc.nat(), fc.nat({ max: 255 })).map(([packet, at, byte]) => {
    const bytes = writePacket(packet);
    bytes[at % bytes.length] = byte;
    return bytes;
  });
  const random = fc.tuple(head, fc.uint8Array({ maxLength: 80 })).map(([number, rest]) => {
    const first = Buffer.alloc(4);
    first.writeUInt32BE(number);
    return Buffer.concat([first, rest]);
  });
  fc.assert(
    fc.property(fc.oneof(changed, random), (bytes) => {
      try {
        const read = readPacket(bytes);
        assert.deepEqual(writePacket(read), bytes, "there is one way to write a packet");
      } catch (error) {
        assert.ok(error instanceof Fault && ["MALFORMED", "TOO_LARGE"].includes(error.name), String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test("what would not stand in a dump, or is no number, is refused", () => {
  const value = (value: string) => ({ kind: "value", id: FOO, as: "string", format: "%s", value }) as const;
  for (const bad of ["\u0000", "a\nb", "\u001b[2J", "\u0085", "\ufffe"])
    assert.throws(() => readPacket(writePacket(value(bad))), /control characters/);
  const latin1 = Buffer.from(CAPTURED.string, "hex");
  latin1[latin1.length - 4] = 0xe9;
  assert.throws(() => readPacket(latin1), /not UTF-8/);
  const padded = Buffer.from(CAPTURED.string, "hex");
  padded[padded.length - 1] = 1;
  assert.throws(() => readPacket(padded), /not padded with zeros/);
  const infinite = {
    kind: "value",
    id: FOO,
    as: "float",
    format: "%f",
    value: Number.POSITIVE_INFINITY,
  } as const;
  assert.throws(() => readPacket(writePacket(infinite)), /not finite/);
  const nameless = { kind: "request", id: { ...FOO, host: "" } } as const;
  assert.throws(() => readPacket(writePacket(nameless)), /no host/);
  assert.throws(() => readPacket(Buffer.alloc(1473)), { name: "TOO_LARGE" });
  assert.throws(() => writePacket(value("x".repeat(1473))), { name: "TOO_LARGE" });
});
