import type { Lease } from "#shared/model/lease.ts";
import { readPrivate } from "../journal/private-file.ts";
import { existingSlice } from "../journal/slice-state.ts";
import { chooseLeases } from "../slivers/lease-choice.ts";

/** The slivers of a slice that are meant, and the key that is let in there. Throws NO_SLICE, UsageError. */
export async function chooseSlivers(
  home: string,
  name: string,
  nodes: readonly string[],
): Promise<{ readonly leases: readonly Lease[]; readonly privateKey: string }> {
  const slice = await existingSlice(home, name);
  const leases = chooseLeases(slice, nodes.length > 0 ? nodes : undefined);
  const privateKey = (await readPrivate(slice.paths.identity))?.toString("utf8") ?? "";
  return { leases, privateKey };
}
