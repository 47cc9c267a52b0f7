import fc from "fast-check";
import { CAPABILITIES, type Capability } from "#shared/model/capability.ts";
import type { Lease } from "#shared/model/lease.ts";
import type { PortRange } from "#shared/model/ports.ts";
import type { Ceilings, Resources, Share } from "#shared/model/resources.ts";
import { isSliceName } from "#shared/model/slice-name.ts";
import { ENGINES, type Holding, type SliceTicket, type Ticket } from "#shared/model/ticket.ts";
import type { Term } from "#shared/model/time.ts";
import { DAY, KEYS, leaseFor, NOW, rootTicket } from "./documents.ts";

/**
 * Documents for property tests: any that are right by themselves, and any child that says no more than its parent.
 * Keys, nodes and addresses are those of `documents.ts`; everything else varies.
 */

const YEARS = { min: NOW - 3650 * DAY, max: NOW + 3650 * DAY };
const MAX_AMOUNT = 999_999_999_999;

export const hex = (digits: number) =>
  fc
    .bigInt({ min: 0n, max: 16n ** BigInt(digits) - 1n })
    .map((number) => number.toString(16).padStart(digits, "0"));

/** Texts of some characters. Made once: a generator costs more than what it generates. */
const text = (characters: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...characters), minLength, maxLength });
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const ALPHANUMERIC = `${LETTERS}0123456789`;

const suffix = text(ALPHANUMERIC, 1, 15);
const prefix = fc
  .tuple(fc.constantFrom(...LETTERS), text(ALPHANUMERIC, 0, 15))
  .map(([first, rest]) => first + rest)
  .filter(isSliceName);
export const sliceName = fc.oneof(
  prefix,
  fc.tuple(prefix, suffix).map(([first, second]) => `${first}_${second}`),
);
const image = fc
  .tuple(fc.constantFrom(...ALPHANUMERIC), text(`${ALPHANUMERIC}._-`, 0, 30))
  .map(([first, rest]) => first + rest);
const engine = fc.constantFrom(...ENGINES);
const upTo = (max: number) => fc.nat({ max });

export const term: fc.Arbitrary<Term> = termWithin({ start: YEARS.min, end: YEARS.max });

export const resources: fc.Arbitrary<Resources> = fc.record({
  cpuMillis: upTo(MAX_AMOUNT),
  memoryMib: upTo(MAX_AMOUNT),
  diskMib: upTo(MAX_AMOUNT),
  egressKbps: upTo(MAX_AMOUNT),
});

export const share: fc.Arbitrary<Share> = fc
  .tuple(resources, upTo(MAX_AMOUNT))
  .map(([amounts, slivers]) => ({ ...amounts, slivers }));

const capabilities = (among: readonly Capability[]): fc.Arbitrary<Capability[]> =>
  fc.subarray([...among], { minLength: 1 });

const port: fc.Arbitrary<PortRange> = fc
  .tuple(fc.constantFrom("tcp" as const, "udp" as const), fc.integer({ min: 1, max: 65535 }), upTo(2000))
  .map(([protocol, from, length]) => ({ protocol, from, to: Math.min(65535, from + length) }));

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

/** Ceilings as a reader gives them: members that are absent are not there. */
const ceilingsOf = (cpuMillis: fc.Arbitrary<number | undefined>, egressKbps: typeof cpuMillis) =>
  fc.tuple(cpuMillis, egressKbps).map(
    ([cpu, egress]): Ceilings => ({
      ...(cpu !== undefined && { cpuMillis: cpu }),
      ...(egress !== undefined && { egressKbps: egress }),
    }),
  );

/** Any root ticket of the tests' node, for the tests' agent. Its window and its term have some time in common. */
export const root: fc.Arbitrary<Holding> = fc
  .record({
    serial: hex(32),
    splits: fc.integer({ min: 1, max: 3 }),
    slicePrefix: optional(prefix),
    resources: share.map((amounts) => ({ ...amounts, slivers: amounts.slivers + 1 })),
    ceilings: ceilingsOf(optional(upTo(MAX_AMOUNT)), optional(upTo(MAX_AMOUNT))),
    engine: optional(engine),
    image: optional(image),
    ports: fc.array(port, { maxLength: 4 }),
    administrative: optional(capabilities(CAPABILITIES)),
    replaces: optional(hex(64)),
    overbooking: upTo(10_000),
    times: term.chain((during) => fc.tuple(fc.constant(during), windowBefore(during.end))),
  })
  .map(({ times: [during, validity], ...rest }) => {
    const { slivers, ...amounts } = rest.resources;
    return rootTicket({
      ...rest,
      resources: { ...amounts, slivers: Math.min(slivers, MAX_AMOUNT) },
      term: during,
      validity,
    });
  });

/** Any slice ticket that its parent allows. */
export function sliceTicketWithin(parent: Holding, parentId: string): fc.Arbitrary<SliceTicket> {
  const latestStart = Math.max(parent.term.start, parent.validity.start);
  const times = fc.integer({ min: latestStart + 1, max: parent.term.end }).chain((end) =>
    fc.record({
      term: fc.integer({ min: parent.term.start, max: end - 1 }).map((start) => ({ start, end })),
      validity: termWithin({ start: parent.validity.start, end: Math.min(parent.validity.end, end) }),
      renewableUntil: fc.integer({ min: end, max: parent.term.end }),
    }),
  );
  return fc
    .record({ times, slice: nameUnder(parent.slicePrefix), within: commonWithin(parent), serial: hex(32) })
    .map(({ times, slice, within, serial }) => {
      const { slivers: _, ...amounts } = within.resources;
      return {
        kind: "slice",
        ...childOf(parent, parentId, KEYS.alice),
        ...within,
        ...times,
        resources: amounts,
        slice,
        serial,
      };
    });
}

/** Any holding that its parent allows, for the tests' branch. The parent must have two links left. */
export function holdingWithin(parent: Holding, parentId: string): fc.Arbitrary<Holding> {
  const times = fc
    .integer({ min: Math.max(parent.term.start, parent.validity.start) + 1, max: parent.term.end })
    .chain((end) =>
      fc.record({
        term: fc.integer({ min: parent.term.start, max: end - 1 }).map((start) => ({ start, end })),
        validity: termWithin({ start: parent.validity.start, end: Math.min(parent.validity.end, end) }),
      }),
    );
  return fc
    .record({
      times,
      within: commonWithin(parent),
      serial: hex(32),
      splits: fc.integer({ min: 1, max: parent.splits - 1 }),
      slicePrefix: parent.slicePrefix === undefined ? optional(prefix) : nameUnder(parent.slicePrefix),
      replaces: optional(hex(64)),
      holder: optional(hex(64)),
      slivers: fc.integer({ min: 1, max: parent.resources.slivers }),
    })
    .map(({ times, within, slivers, ...rest }) => ({
      kind: "holding",
      ...childOf(parent, parentId, KEYS.branch),
      principalKey: KEYS.branch.public.spki,
      ...within,
      ...times,
      ...rest,
      resources: { ...within.resources, slivers },
    }));
}

/** Any lease of the tests' node that a slice ticket of it could have become. */
export const lease: fc.Arbitrary<Lease> = root.chain((parent) =>
  fc
    .record({
      ticket: sliceTicketWithin(parent, "ab".repeat(32)),
      id: hex(64),
      engine,
      image,
      sliver: hex(16),
      port: fc.integer({ min: 1, max: 65535 }),
    })
    .map(({ ticket, id, port, ...rest }) => {
      const lease = leaseFor({ ticket, id, text: "", lineage: [] }, rest);
      return { ...lease, ssh: { ...lease.ssh, port } };
    }),
);

function commonWithin(parent: Holding) {
  const { cpuMillis, egressKbps } = parent.ceilings;
  const below = (ceiling: number | undefined) =>
    ceiling === undefined ? optional(upTo(MAX_AMOUNT)) : upTo(ceiling);
  return fc.record({
    resources: fc.record({
      cpuMillis: upTo(parent.resources.cpuMillis),
      memoryMib: upTo(parent.resources.memoryMib),
      diskMib: upTo(parent.resources.diskMib),
      egressKbps: upTo(parent.resources.egressKbps),
      slivers: upTo(parent.resources.slivers),
    }),
    ceilings: ceilingsOf(below(cpuMillis), below(egressKbps)),
    engine: parent.engine === undefined ? optional(engine) : fc.constant(parent.engine),
    image: parent.image === undefined ? optional(image) : fc.constant(parent.image),
    ports: portsWithin(parent.ports),
    administrative: parent.administrative
      ? optional(capabilities(parent.administrative))
      : fc.constant(undefined),
    overbooking: upTo(10_000),
  });
}

function portsWithin(ranges: readonly PortRange[]): fc.Arbitrary<PortRange[]> {
  if (ranges.length === 0) return fc.constant([]);
  const inside = fc
    .constantFrom(...ranges)
    .chain((range) =>
      fc
        .tuple(fc.integer({ min: range.from, max: range.to }), fc.integer({ min: range.from, max: range.to }))
        .map(([a, b]) => ({ protocol: range.protocol, from: Math.min(a, b), to: Math.max(a, b) })),
    );
  return fc.array(inside, { maxLength: 4 });
}

function nameUnder(above: string | undefined): fc.Arbitrary<string> {
  if (above === undefined) return sliceName;
  if (above.includes("_")) return fc.constant(above);
  return fc.oneof(
    fc.constant(above),
    suffix.map((below) => `${above}_${below}`),
  );
}

function termWithin({ start, end }: Term): fc.Arbitrary<Term> {
  return fc
    .tuple(fc.integer({ min: start, max: end - 1 }), fc.integer({ min: start, max: end - 1 }))
    .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) + 1 }));
}

/** A window that begins before `end`. */
function windowBefore(end: number): fc.Arbitrary<Term> {
  return fc
    .tuple(fc.integer({ min: YEARS.min, max: end - 1 }), fc.integer({ min: 1, max: 400 * DAY }))
    .map(([start, length]) => ({ start, end: start + length }));
}

function childOf(parent: Holding, parentId: string, to: (typeof KEYS)[keyof typeof KEYS]) {
  return {
    parent: parentId,
    issuer: parent.principal,
    principal: to.public.name,
    principleSha1: to.public.sha1,
    node: parent.node,
    ip: parent.ip,
  } satisfies Partial<Ticket>;
}
