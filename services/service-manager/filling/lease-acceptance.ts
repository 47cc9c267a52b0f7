import type { PublicKey } from "#shared/identity/key.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Lease } from "#shared/model/lease.ts";
import { type PortRange, portsWithin } from "#shared/model/ports.ts";
import { RESOURCE_DIMENSIONS, type Resources } from "#shared/model/resources.ts";
import { contains } from "#shared/model/time.ts";
import { openLease } from "#shared/wire/lease-document.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { HeldTicket } from "../journal/slice-state.ts";

/**
 * Opens the lease a node gave for a ticket (WIRE.md §1, Lease): signed by the key that answered, for this very ticket,
 * within its term and resources, for our slice, and reached where the ticket says the node is. Anything else is no
 * proper answer: a TransportError, since nobody knows what the node has done.
 */
export function acceptLease(text: string, nodeKey: PublicKey, { id, ticket }: HeldTicket): Lease {
  const lease = opened(text, nodeKey, ticket.ip);
  hold(lease, [
    [lease.ticket === id, "it is for another ticket"],
    [lease.node === ticket.node, "it is for another node"],
    [lease.principal === ticket.principal, "it is another principal's"],
    [lease.slice === ticket.slice, "it is another slice's"],
    [contains(ticket.term, lease.term), "its term goes beyond the ticket's"],
    [lease.renewableUntil <= ticket.renewableUntil, "it may be renewed for longer than the ticket says"],
    [isWithin(lease.resources, ticket.resources), "its resources go beyond the ticket's"],
    [isSamePorts(lease.ports, ticket.ports), "its ports are not the ticket's"],
    [isSameList(lease.administrative, ticket.administrative), "its capabilities are not the ticket's"],
    [lease.engine === (ticket.engine ?? lease.engine), "its engine is not the ticket's"],
    [lease.image === (ticket.image ?? lease.image), "its image is not the ticket's"],
    [leadsTo(lease, ticket.ip), "it leads to another address than the node's"],
  ]);
  return lease;
}

/** Opens a renewed lease: the old one but for a later end, within what the old one or the new ticket allows. */
export function acceptRenewal(text: string, nodeKey: PublicKey, old: Lease, ticket?: HeldTicket): Lease {
  const lease = opened(text, nodeKey, old.ip);
  const renewable = Math.max(old.renewableUntil, ticket?.ticket.renewableUntil ?? 0);
  hold(lease, [
    [lease.serial === old.serial && lease.sliver === old.sliver, "it is another lease than the one renewed"],
    [lease.ticket === old.ticket || lease.ticket === ticket?.id, "it is for another ticket"],
    [lease.node === old.node, "it is for another node"],
    [lease.principal === old.principal, "it is another principal's"],
    [lease.slice === old.slice, "it is another slice's"],
    [lease.term.start === old.term.start, "its start moved"],
    [lease.term.end >= old.term.end, "it ends earlier than before"],
    [lease.term.end <= renewable && lease.renewableUntil <= renewable, "it lasts longer than was promised"],
    [isWithin(lease.resources, old.resources), "its resources go beyond those before"],
    [lease.engine === old.engine && lease.image === old.image, "its engine or image changed"],
    [isSamePorts(lease.ports, old.ports), "its ports changed"],
    [isSameList(lease.administrative, old.administrative), "its capabilities changed"],
    [leadsTo(lease, old.ip), "it leads to another address than the node's"],
  ]);
  return lease;
}

function opened(text: string, nodeKey: PublicKey, ip: string): Lease {
  try {
    return openLease(text, nodeKey);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new TransportError("malformed", `${ip} answered with no lease of its own: ${cause.sentence}`, {
      cause,
    });
  }
}

function hold(lease: Lease, rules: readonly (readonly [boolean, string])[]): void {
  const broken = rules.find(([holds]) => !holds);
  if (broken)
    throw new TransportError(
      "malformed",
      `${lease.ip} answered with a lease that is not accepted: ${broken[1]}`,
    );
}

function isWithin(inner: Resources, outer: Resources): boolean {
  return RESOURCE_DIMENSIONS.every((dimension) => inner[dimension] <= outer[dimension]);
}

function isSamePorts(a: readonly PortRange[], b: readonly PortRange[]): boolean {
  return portsWithin(a, b) && portsWithin(b, a);
}

function isSameList(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  return (a === undefined) === (b === undefined) && new Set(a).symmetricDifference(new Set(b)).size === 0;
}

/** A node may send us to itself only, and there only into our slice. */
function leadsTo({ ip, ssh, slice }: Lease, address: string): boolean {
  return ip === address && ssh.host === address && ssh.user === slice;
}
