import assert from "node:assert/strict";
import { test } from "node:test";
import { acceptLease, acceptRenewal } from "#services/service-manager/filling/lease-acceptance.ts";
import type { HeldTicket } from "#services/service-manager/journal/slice-state.ts";
import type { Lease } from "#shared/model/lease.ts";
import { sealLease } from "#shared/wire/lease-document.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { chainOf, DAY, KEYS, leaseFor, type SliceTicketOverrides, serial } from "#test/support/documents.ts";

const NODE = KEYS.node.public;

function held(overrides: SliceTicketOverrides = {}): HeldTicket {
  return chainOf(2, overrides).leaf;
}

const TICKET = held({ engine: "container", image: "debian-12" });
const LEASE = leaseFor(chainOf(2, { engine: "container", image: "debian-12" }).leaf);

function refused(sentence: RegExp, open: () => unknown): void {
  assert.throws(open, (error: Error) => {
    assert.ok(error instanceof TransportError && error.kind === "malformed", error.message);
    assert.match(error.message, sentence);
    return true;
  });
}

/** Every way in which a lease may say more than its ticket, or something else. */
const LIES: readonly [RegExp, Partial<Lease>][] = [
  [/another ticket/, { ticket: "f".repeat(64) }],
  [/names another node/, { node: KEYS.otherNode.public.name }],
  [/another principal's/, { principal: KEYS.bob.public.name }],
  [/another slice's/, { slice: "elsewhere" }],
  [/term goes beyond/, { term: { ...LEASE.term, end: LEASE.term.end + 1 } }],
  [/term goes beyond/, { term: { ...LEASE.term, start: LEASE.term.start - 1 } }],
  [/renewed for longer/, { renewableUntil: LEASE.renewableUntil + 1 }],
  [/resources go beyond/, { resources: { ...LEASE.resources, cpuMillis: LEASE.resources.cpuMillis + 1 } }],
  [/resources go beyond/, { resources: { ...LEASE.resources, memoryMib: LEASE.resources.memoryMib + 1 } }],
  [/resources go beyond/, { resources: { ...LEASE.resources, diskMib: LEASE.resources.diskMib + 1 } }],
  [/resources go beyond/, { resources: { ...LEASE.resources, egressKbps: LEASE.resources.egressKbps + 1 } }],
  [/ports are not/, { ports: [{ protocol: "udp", from: 53, to: 53 }] }],
  [/engine is not/, { engine: "simulated" }],
  [/image is not/, { image: "busybox" }],
  [/leads to another address/, { ssh: { ...LEASE.ssh, host: "169.254.169.254" } }],
  [/leads to another address/, { ip: "169.254.169.254", ssh: { ...LEASE.ssh, host: "169.254.169.254" } }],
  [/leads to another address/, { ssh: { ...LEASE.ssh, user: "elsewhere" } }],
];

test("an honest lease for one's own ticket is accepted", () => {
  assert.deepEqual(acceptLease(sealLease(LEASE, KEYS.node), NODE, TICKET), LEASE);
});

test("a lease may promise less than its ticket", () => {
  const less = { ...LEASE, renewableUntil: LEASE.term.end, resources: { ...LEASE.resources, egressKbps: 0 } };
  assert.deepEqual(acceptLease(sealLease(less, KEYS.node), NODE, TICKET), less);
});

for (const [sentence, lie] of LIES) {
  test(`a lease that lies about ${Object.keys(lie).join(" and ")} is refused: ${sentence.source}`, () => {
    refused(sentence, () => acceptLease(sealLease({ ...LEASE, ...lie }, KEYS.node), NODE, TICKET));
  });
}

test("a lease signed by any other key than the one that answered is refused", () => {
  refused(/no lease of its own/, () => acceptLease(sealLease(LEASE, KEYS.mallory), NODE, TICKET));
  refused(/no lease of its own/, () =>
    acceptLease(sealLease(LEASE, KEYS.node), KEYS.otherNode.public, TICKET),
  );
});

test("what is no lease at all is refused", () => {
  for (const text of ["", "1", TICKET.text, sealLease(LEASE, KEYS.node).replace("container", "simulated")]) {
    refused(/no lease of its own/, () => acceptLease(text, NODE, TICKET));
  }
});

const LATER: Lease = { ...LEASE, term: { ...LEASE.term, end: LEASE.renewableUntil } };

function renewal(renewed: Partial<Lease>, ticket?: HeldTicket): Lease {
  return acceptRenewal(sealLease({ ...LATER, ...renewed }, KEYS.node), NODE, LEASE, ticket);
}

test("a renewed lease reaches as far as the old one could be renewed, or the new ticket allows", () => {
  assert.equal(renewal({}).term.end, LEASE.renewableUntil);
  const ticket = held({ serial: serial(9), renewableUntil: LEASE.renewableUntil + DAY });
  const end = LEASE.renewableUntil + DAY;
  const far = { term: { ...LEASE.term, end }, renewableUntil: end };
  assert.equal(renewal(far, ticket).term.end, end);
  assert.equal(renewal({ ...far, ticket: ticket.id }, ticket).ticket, ticket.id);
  refused(/longer than was promised/, () => renewal(far));
  const farther = { term: { ...far.term, end: end + 1 }, renewableUntil: end + 1 };
  refused(/longer than was promised/, () => renewal(farther, ticket));
});

test("a renewal changes nothing but the end", () => {
  refused(/another lease/, () => renewal({ serial: serial(77) }));
  refused(/another lease/, () => renewal({ sliver: "00000000000000ff" }));
  refused(/another ticket/, () => renewal({ ticket: "e".repeat(64) }));
  refused(/start moved/, () => renewal({ term: { ...LATER.term, start: LEASE.term.start - 1 } }));
  refused(/ends earlier/, () => renewal({ term: { ...LEASE.term, end: LEASE.term.end - 1 } }));
  refused(/principal's/, () => renewal({ principal: KEYS.bob.public.name }));
  refused(/resources/, () =>
    renewal({ resources: { ...LEASE.resources, diskMib: LEASE.resources.diskMib + 1 } }),
  );
  refused(/engine or image/, () => renewal({ image: "busybox" }));
  refused(/another address/, () => renewal({ ssh: { ...LEASE.ssh, host: "10.0.0.1" } }));
});
