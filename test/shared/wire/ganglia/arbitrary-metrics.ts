import fc from "fast-check";
import type { DumpHost } from "#shared/wire/ganglia/host.ts";
import { METRIC_TYPES, type Packet, SLOPES } from "#shared/wire/ganglia/packet.ts";

const isClean = (text: string) =>
  !/[\u0000-\u001f\u007f-\u009f\ufffe\uffff]/u.test(text) && text.isWellFormed();

/** As readers make them: ordinary objects. */
function record<T>(members: { [Name in keyof T]: fc.Arbitrary<T[Name]> }): fc.Arbitrary<T> {
  return fc.record(members, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

/** Texts that packets and dumps carry, XML's own characters among them. */
const text = fc.string({ unit: "grapheme", maxLength: 12 }).filter(isClean);
const markup = fc.constantFrom("", "<", "&amp;", `"'>`, "é", "]]>", "__proto__", "\u{1F600}");
const anyText = fc.oneof(text, markup);
const filled = anyText.filter((text) => text !== "");
const uint = fc.nat({ max: 0xffff_ffff });
const id = record({ host: filled, name: filled, spoof: fc.boolean() });
const slope = fc.constantFrom(...SLOPES);
const extra = fc.array(fc.tuple(anyText, anyText), { maxLength: 4 });
const metadata = record({
  type: fc.constantFrom(...METRIC_TYPES),
  units: anyText,
  slope,
  tmax: uint,
  dmax: uint,
  extra,
});
const double = fc.double({ noDefaultInfinity: true, noNaN: true });
const float = fc.float({ noDefaultInfinity: true, noNaN: true });
const value = fc.oneof(
  record({ as: fc.constant("ushort" as const), value: fc.nat({ max: 0xffff }) }),
  record({ as: fc.constant("short" as const), value: fc.integer({ min: -0x8000, max: 0x7fff }) }),
  record({ as: fc.constant("int" as const), value: fc.integer() }),
  record({ as: fc.constant("uint" as const), value: uint }),
  record({ as: fc.constant("string" as const), value: anyText }),
  record({ as: fc.constant("float" as const), value: float }),
  record({ as: fc.constant("double" as const), value: double }),
);

/** Any packet that can be written. */
export const packet: fc.Arbitrary<Packet> = fc.oneof(
  record({ kind: fc.constant("request" as const), id }),
  record({ kind: fc.constant("metadata" as const), id, metadata }),
  fc
    .tuple(id, fc.constantFrom("%s", "%.2f", "%u"), value)
    .map(([id, format, carried]) => ({ kind: "value" as const, id, format, ...carried })),
);

const metric = fc
  .tuple(metadata, filled, anyText, uint)
  .map(([meta, name, value, tn]) => ({ ...meta, name, value, tn }))
  .filter(({ slope }) => slope !== "derivative");

/** Any host of a dump of one cluster, named `cluster`. */
export const host = (cluster: string): fc.Arbitrary<DumpHost> =>
  record({
    cluster: fc.constant(cluster),
    name: filled,
    ip: fc.ipV4(),
    location: anyText,
    tags: anyText,
    reported: uint,
    tn: uint,
    tmax: uint,
    dmax: uint,
    started: uint,
    metrics: fc.array(metric, { maxLength: 4 }),
  });
