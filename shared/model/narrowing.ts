import { Fault } from "./errors.ts";
import { portsWithin } from "./ports.ts";
import { CEILING_DIMENSIONS, RESOURCE_DIMENSIONS } from "./resources.ts";
import { isUnderPrefix } from "./slice-name.ts";
import { countedTerm, type Holding, type Ticket } from "./ticket.ts";
import { contains } from "./time.ts";

type Rule = { readonly element: string; holds(parent: Holding, child: Ticket): boolean };

/**
 * WIRE.md §1, column "child against parent", row by row: what a ticket may say given the holding it was split from.
 * Never larger, longer or more privileged. A new element of tickets states its rule here.
 */
export const NARROWING: readonly Rule[] = [
  { element: "issuer_sha256", holds: (p, c) => c.issuer === p.principal },
  { element: "splits", holds: (p, c) => (c.kind === "slice" ? 0 : c.splits) <= p.splits - 1 },
  { element: "node_sha256", holds: (p, c) => c.node === p.node },
  { element: "ip", holds: (p, c) => c.ip === p.ip },
  { element: "slice_prefix", holds: prefixNarrows },
  { element: "slice", holds: (p, c) => c.kind !== "slice" || isUnder(c.slice, p.slicePrefix) },
  { element: "validfrom_time, validto_time", holds: (p, c) => contains(p.validity, c.validity) },
  { element: "start_time, end_time", holds: (p, c) => contains(p.term, c.term) },
  {
    element: "renewable_until_time",
    holds: (p, c) => c.kind !== "slice" || contains(p.term, countedTerm(c)),
  },
  {
    element: "resources",
    holds: (p, c) => RESOURCE_DIMENSIONS.every((d) => c.resources[d] <= p.resources[d]),
  },
  { element: "resources slivers", holds: (p, c) => sliversOf(c) <= p.resources.slivers },
  {
    element: "ceilings",
    holds: (p, c) => CEILING_DIMENSIONS.every((d) => within(c.ceilings[d], p.ceilings[d])),
  },
  { element: "engine", holds: (p, c) => p.engine === undefined || c.engine === p.engine },
  { element: "image", holds: (p, c) => p.image === undefined || c.image === p.image },
  { element: "ports", holds: (p, c) => portsWithin(c.ports, p.ports) },
  { element: "administrative", holds: administrativeNarrows },
];

/** Throws BAD_CHAIN naming the element by which `child` would exceed `parent`. */
export function checkNarrowing(parent: Holding, child: Ticket): void {
  const broken = NARROWING.find((rule) => !rule.holds(parent, child));
  if (broken) {
    throw new Fault(
      "BAD_CHAIN",
      `the ticket's ${broken.element} goes beyond the holding it was split from; ask its issuer for a ticket within it`,
    );
  }
}

function prefixNarrows(parent: Holding, child: Ticket): boolean {
  if (child.kind === "slice" || parent.slicePrefix === undefined) return true;
  return child.slicePrefix !== undefined && isUnderPrefix(child.slicePrefix, parent.slicePrefix);
}

function isUnder(slice: string, prefix: string | undefined): boolean {
  return prefix === undefined || isUnderPrefix(slice, prefix);
}

function sliversOf(ticket: Ticket): number {
  return ticket.kind === "slice" ? 1 : ticket.resources.slivers;
}

function within(child: number | undefined, parent: number | undefined): boolean {
  return parent === undefined || (child !== undefined && child <= parent);
}

function administrativeNarrows(parent: Holding, child: Ticket): boolean {
  if (child.administrative === undefined) return true;
  const allowed = parent.administrative;
  return allowed !== undefined && child.administrative.every((capability) => allowed.includes(capability));
}
