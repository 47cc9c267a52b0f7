import { Fault } from "#shared/model/errors.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import type { CallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceState } from "../journal/slice-state.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";

/** How nodes that must be there are named: by identity or address, which the slice may know to be one node. */
type Named = Pick<SliceDescription, "where">;
type Known = Pick<SliceState, "record">;

/** Whether a node must be among those of the slice. */
export function isIncluded({ where: { include } }: Named, { record }: Known, node: string): boolean {
  const ip = record.nodes.find((one) => one.node === node)?.ip;
  return include.includes(node) || (ip !== undefined && include.includes(ip));
}

/** The nodes that must be there and are not among `present`, each once, by identity where that is known. */
export function lackingOf(
  { where: { include } }: Named,
  { record }: Known,
  present: ReadonlySet<string>,
): string[] {
  const lacking = include.flatMap((name) => {
    const nodes = record.nodes.filter(({ node, ip }) => node === name || ip === name);
    if (present.has(name) || nodes.some(({ node }) => present.has(node))) return [];
    return [nodes.at(-1)?.node ?? name];
  });
  return [...new Set(lacking)];
}

/** Of every node that must be there and has no lease of the slice: that it is missing, why, and what to do. */
export function absences(
  description: SliceDescription,
  state: SliceState,
  troubles: ReadonlyMap<string, CallFailure>,
): Fault[] {
  return lackingOf(description, state, new Set(state.leases.keys())).map((node) => {
    const name = state.record.nodes.find((one) => one.node === node)?.ip ?? node;
    const trouble = troubles.get(node);
    const why = trouble
      ? `${failureName(trouble)}: ${failureSentence(trouble)}`
      : "no agent granted a ticket for it";
    return new Fault(
      "NO_CAPACITY",
      `${name} has to be among the nodes of ${description.name} and is not: ${why}; its place is kept, so run this again, or delete the slice and create it without including it`,
    );
  });
}
