import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { type SigningKey, signingKey } from "#shared/identity/signature.ts";
import type { Lease } from "#shared/model/lease.ts";
import type { Holding, SliceTicket, Ticket } from "#shared/model/ticket.ts";
import { type Instant, parseInstant, type Term } from "#shared/model/time.ts";
import { documentId, signDocument } from "#shared/wire/document.ts";
import { sealLease } from "#shared/wire/lease-document.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";

/**
 * Documents for tests: the same bytes on every machine and in every run, from the published test keys. Whoever needs a
 * document that is wrong overrides what should be wrong; nothing here checks anything.
 */

/** The time at which every document built here may be used. */
export const NOW: Instant = parseInstant("2030-01-01 12:00:00");
export const HOUR = 3600;
export const DAY = 24 * HOUR;

/**
 * Everybody in the tests. `node` and `otherNode` sign roots (RSA); `agent` and `branch` hold and split (Ed25519);
 * `alice` and `bob` are principals (RSA); nobody has given `mallory` (Ed25519) anything.
 */
export const KEYS = {
  node: testKey("node"),
  otherNode: testKey("other-node"),
  agent: testKey("agent"),
  branch: testKey("branch"),
  alice: testKey("alice"),
  bob: testKey("bob"),
  mallory: testKey("mallory"),
} as const satisfies Record<string, SigningKey>;

/** A ticket, the text of its whole chain, and what a child of it carries in its header. */
export type Sealed<T extends Ticket = Ticket> = {
  readonly ticket: T;
  readonly id: string;
  readonly text: string;
  /** Documents above a child of this one, this one last, each without parent lines. */
  readonly lineage: readonly string[];
};

export type HoldingOverrides = Partial<Holding> & { readonly to?: SigningKey };
export type SliceTicketOverrides = Partial<SliceTicket> & { readonly to?: SigningKey };

/** A serial that says where it comes from: 32 hex digits ending in `number`. */
export function serial(number: number): string {
  return number.toString(16).padStart(32, "0");
}

export function during(start: Instant, seconds: number): Term {
  return { start, end: start + seconds };
}

/** A root ticket of `node` for the agent's ticket key (or `to`): 400 days, three more links, no restrictions. */
export function rootTicket({ to = KEYS.agent, ...overrides }: HoldingOverrides = {}): Holding {
  return {
    kind: "holding",
    serial: serial(1),
    issuer: KEYS.node.public.name,
    principal: to.public.name,
    principleSha1: to.public.sha1,
    principalKey: to.public.spki,
    splits: 3,
    node: KEYS.node.public.name,
    ip: "10.77.0.1",
    validity: during(NOW - HOUR, 400 * DAY),
    term: during(NOW - HOUR, 400 * DAY),
    resources: { cpuMillis: 8000, memoryMib: 16384, diskMib: 100_000, egressKbps: 100_000, slivers: 64 },
    ceilings: {},
    ports: [
      { protocol: "tcp", from: 1024, to: 65535 },
      { protocol: "udp", from: 1024, to: 65535 },
    ],
    overbooking: 1000,
    ...overrides,
  };
}

/** A holding split from `parent`, to the branch (or `to`): half of it, one link fewer, as restricted as it is. */
export function holdingUnder(
  parent: Sealed<Holding>,
  { to = KEYS.branch, ...overrides }: HoldingOverrides = {},
): Holding {
  const above = parent.ticket;
  return {
    ...above,
    serial: serial(2),
    parent: parent.id,
    issuer: above.principal,
    principal: to.public.name,
    principleSha1: to.public.sha1,
    principalKey: to.public.spki,
    splits: above.splits - 1,
    validity: during(NOW - HOUR, 30 * DAY),
    term: during(NOW - HOUR, 30 * DAY),
    resources: {
      cpuMillis: Math.floor(above.resources.cpuMillis / 2),
      memoryMib: Math.floor(above.resources.memoryMib / 2),
      diskMib: Math.floor(above.resources.diskMib / 2),
      egressKbps: Math.floor(above.resources.egressKbps / 2),
      slivers: Math.ceil(above.resources.slivers / 2),
    },
    ...overrides,
  };
}

/** A slice ticket split from `parent` for alice (or `to`): one hour to redeem it, one day, renewable to two. */
export function sliceTicketUnder(
  parent: Sealed<Holding>,
  { to = KEYS.alice, ...overrides }: SliceTicketOverrides = {},
): SliceTicket {
  const above = parent.ticket;
  return {
    kind: "slice",
    serial: serial(3),
    parent: parent.id,
    issuer: above.principal,
    principal: to.public.name,
    principleSha1: to.public.sha1,
    node: above.node,
    ip: above.ip,
    slice: above.slicePrefix ?? "princeton_dns",
    validity: during(NOW, HOUR),
    term: during(NOW, DAY),
    renewableUntil: NOW + 2 * DAY,
    resources: { cpuMillis: 250, memoryMib: 128, diskMib: 512, egressKbps: 1000 },
    ceilings: above.ceilings,
    engine: above.engine,
    image: above.image,
    ports: [],
    overbooking: 1000,
    ...overrides,
  };
}

/** Signs any ticket with any key below any lineage. */
export function seal<T extends Ticket>(
  ticket: T,
  key: SigningKey,
  lineage: readonly string[] = [],
): Sealed<T> {
  return { ticket, ...sealBody(writeTicket(ticket), key, lineage) };
}

/** Signs any body: for documents that no ticket writes. */
export function sealBody(
  body: Buffer,
  key: SigningKey,
  lineage: readonly string[] = [],
): Omit<Sealed, "ticket"> {
  return {
    id: documentId(body),
    text: signDocument(key, body, lineage),
    lineage: [...lineage, signDocument(key, body)],
  };
}

export function sealedRoot(overrides: HoldingOverrides = {}): Sealed<Holding> {
  return seal(rootTicket(overrides), KEYS.node);
}

/** A holding signed by whoever `parent` names, which must be one of KEYS. */
export function sealedHolding(parent: Sealed<Holding>, overrides: HoldingOverrides = {}): Sealed<Holding> {
  return seal(holdingUnder(parent, overrides), keyOf(parent), parent.lineage);
}

export function sealedSliceTicket(
  parent: Sealed<Holding>,
  overrides: SliceTicketOverrides = {},
): Sealed<SliceTicket> {
  return seal(sliceTicketUnder(parent, overrides), keyOf(parent), parent.lineage);
}

export type TestChain = {
  readonly holdings: readonly [Sealed<Holding>, ...Sealed<Holding>[]];
  readonly leaf: Sealed<SliceTicket>;
  readonly text: string;
};

/**
 * A whole chain of `links` documents: node → agent → branch → bob → alice, as far as it goes. The slice ticket at its
 * end is always alice's; bob, who holds with an RSA key, appears only in chains of four.
 */
export function chainOf(links: 2 | 3 | 4, overrides: SliceTicketOverrides = {}): TestChain {
  const root = sealedRoot();
  const second = links > 2 ? [sealedHolding(root)] : [];
  const third = links > 3 ? [sealedHolding(second[0]!, { to: KEYS.bob, serial: serial(4) })] : [];
  const holdings: TestChain["holdings"] = [root, ...second, ...third];
  const leaf = sealedSliceTicket(holdings.at(-1)!, overrides);
  return { holdings, leaf, text: leaf.text };
}

/** The lease a node would sign for a slice ticket. */
export function leaseFor(sealed: Sealed<SliceTicket>, overrides: Partial<Lease> = {}): Lease {
  const { ticket } = sealed;
  return {
    serial: serial(5),
    ticket: sealed.id,
    node: ticket.node,
    principal: ticket.principal,
    principleSha1: ticket.principleSha1,
    ip: ticket.ip,
    slice: ticket.slice,
    term: ticket.term,
    renewableUntil: ticket.renewableUntil,
    resources: ticket.resources,
    ceilings: ticket.ceilings,
    engine: ticket.engine ?? "container",
    image: ticket.image ?? "debian-12",
    ports: ticket.ports,
    administrative: ticket.administrative,
    sliver: "00000000000000a1",
    ssh: {
      host: ticket.ip,
      port: 2222,
      user: ticket.slice,
      hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    },
    ...overrides,
  };
}

export function sealedLease(overrides: Partial<Lease> = {}): string {
  return sealLease(leaseFor(chainOf(2).leaf, overrides), KEYS.node);
}

/** Whichever of KEYS a holding was given to. */
export function keyOf(holding: Sealed<Holding>): SigningKey {
  const key = Object.values(KEYS).find((candidate) => candidate.public.name === holding.ticket.principal);
  if (!key) throw new TypeError("this holding was given to a key that the tests don't have");
  return key;
}

function testKey(name: string): SigningKey {
  const pem = readFileSync(new URL(`../vectors/keys/${name}.pem`, import.meta.url), "utf8");
  return signingKey(createPrivateKey(pem));
}
