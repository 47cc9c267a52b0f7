import fc from "fast-check";
import { CAPABILITIES } from "#shared/model/capability.ts";
import {
  clashingPath,
  contradiction,
  isNodeCount,
  MAX_LEASE_SECONDS,
  RESTARTS,
  type SliceDescription,
  SPREADS,
  type Whereabouts,
} from "#shared/model/slice-description.ts";
import { ENGINES } from "#shared/model/ticket.ts";
import { hex, resources, sliceName } from "./arbitrary-documents.ts";

const textOf = fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => text.trim());
const filled = textOf.filter((text) => text !== "" && isXml(text));
const loose = textOf.filter(isXml);
const number = fc.nat({ max: 999_999_999_999 });
const tagName = fc.constantFrom("region", "country", "a", "net-speed", "x_1");
const node = fc.oneof(hex(64), fc.ipV4());
const step = fc.constantFrom("a", "run.sh", "bin", "..x", "ünï", "a b");
const path = fc.array(step, { minLength: 1, maxLength: 3 }).map((steps) => steps.join("/"));

const program = fc.record({
  files: fc
    .uniqueArray(path, { maxLength: 4 })
    .filter((paths) => clashingPath(paths) === undefined)
    .chain((paths) =>
      fc.tuple(
        ...paths.map((path) =>
          fc.record({ path: fc.constant(path), mode: fc.nat({ max: 0o777 }), source: filled }),
        ),
      ),
    ),
  env: fc
    .uniqueArray(fc.constantFrom("ROLE", "_x", "A1", "PATH"), { maxLength: 3 })
    .chain((names) => fc.tuple(...names.map((name) => fc.record({ name: fc.constant(name), value: loose })))),
  command: filled,
  args: fc.array(loose, { maxLength: 3 }),
  restart: fc.constantFrom(...RESTARTS),
});

const whereabouts: fc.Arbitrary<Whereabouts> = fc
  .record(
    {
      distinctSites: fc.boolean(),
      sites: fc.array(filled, { maxLength: 2 }),
      tags: fc.array(fc.record({ name: tagName, value: filled }), { maxLength: 3 }),
      spread: fc.constantFrom(...SPREADS),
      maxLoad: fc.nat(9_999_999).map((thousandths) => thousandths / 1000),
      nodes: fc.array(node, { maxLength: 2 }),
      include: fc.array(node, { maxLength: 2 }),
      avoid: fc.array(node, { maxLength: 2 }),
      avoidSites: fc.array(filled, { maxLength: 2 }),
    },
    { requiredKeys: ["distinctSites", "sites", "tags", "nodes", "include", "avoid", "avoidSites"] },
  )
  .map((where) => ({ ...where }));

/** Any slice description that can be written. */
export const description: fc.Arbitrary<SliceDescription> = anyDescription().filter(
  (description) => contradiction(description) === undefined,
);

function anyDescription(): fc.Arbitrary<SliceDescription> {
  return fc.record(
    {
      name: sliceName,
      nodes: fc
        .record({ count: fc.integer({ min: 1, max: 9000 }), atleast: fc.nat(9000), standby: fc.nat(1000) })
        .filter(isNodeCount),
      leaseSeconds: fc.integer({ min: 1, max: MAX_LEASE_SECONDS }),
      resources,
      ceilings: fc
        .record({ cpuMillis: number, egressKbps: number }, { requiredKeys: [] })
        .map((c) => ({ ...c })),
      engine: fc.constantFrom(...ENGINES),
      image: fc.constantFrom("debian-12", "x"),
      ports: fc.array(
        fc.constantFrom(
          { protocol: "tcp" as const, from: 80, to: 90 },
          { protocol: "udp" as const, from: 53, to: 53 },
        ),
        { maxLength: 3 },
      ),
      anyPorts: fc
        .record({ tcp: fc.nat({ max: 64 }), udp: fc.nat({ max: 64 }) })
        .filter(({ tcp, udp }) => tcp + udp > 0)
        .map((ports) => ({ ...ports })),
      where: whereabouts,
      administrative: fc.subarray([...CAPABILITIES], { minLength: 1 }),
      program,
    },
    { requiredKeys: ["name", "nodes", "leaseSeconds", "ports", "where"] },
  );
}

function isXml(text: string): boolean {
  return !/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.test(text);
}
