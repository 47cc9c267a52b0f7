import type { Lease } from "#shared/model/lease.ts";
import type { SliceState } from "../journal/slice-state.ts";
import { UsageError } from "../terminal/exit-code.ts";

/**
 * The leases of a slice on the nodes that are named by their address or the beginning of their identity; on all of them
 * when none is named. Throws UsageError for a name that is none of them, or when there is no lease at all.
 */
export function chooseLeases(
  { leases }: Pick<SliceState, "leases">,
  selectors: readonly string[] | undefined,
): readonly Lease[] {
  const all = [...leases.values()].map(({ lease }) => lease).sort((a, b) => (a.ip < b.ip ? -1 : 1));
  if (all.length === 0) throw new UsageError("the slice has no slivers; see slice status");
  if (!selectors) return all;
  const strange = selectors.find((text) => !all.some((lease) => isMeant(lease, text)));
  if (strange !== undefined)
    throw new UsageError(
      `the slice has no sliver on "${strange}"; slice status shows where it has; a command comes after --`,
    );
  return all.filter((lease) => selectors.some((text) => isMeant(lease, text)));
}

function isMeant({ ip, node }: Lease, text: string): boolean {
  return ip === text || (text.length >= 6 && node.startsWith(text.toLowerCase()));
}
