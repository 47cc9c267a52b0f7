import assert from "node:assert/strict";
import { readSlice } from "#services/service-manager/journal/slice-state.ts";
import type { Lease } from "#shared/model/lease.ts";
import { eventually } from "#test/support/deadline.ts";
import type { SliceLabNode } from "./lab-node.ts";
import type { SliceLab } from "./slice-lab.ts";

/** Leases of a slice at nodes that run, as the nodes say. */
export async function leasesAtNodes(lab: SliceLab, slice: string): Promise<Lease[]> {
  const all = await Promise.all(lab.nodes.filter(isRunning).map((node) => node.leases()));
  return all.flat().filter((lease) => lease.slice === slice);
}

export function isRunning(node: SliceLabNode): boolean {
  try {
    return node.manager !== undefined;
  } catch {
    return false;
  }
}

/** The nodes that a slice has leases on, as its journal says. */
export async function nodesOf(lab: SliceLab, slice: string): Promise<SliceLabNode[]> {
  const state = await readSlice(lab.home, slice);
  return lab.nodes.filter(({ name }) => state?.leases.has(name));
}

/**
 * Asserts that a slice is exactly this large everywhere: in the journal, at the nodes, in their machines and, as soon as
 * nodes have settled, in the agent's books. None missing, none doubled, nothing over. `renewed`: further tickets were
 * got for it.
 */
export async function assertExactly(
  lab: SliceLab,
  slice: string,
  count: number,
  { renewed = false } = {},
): Promise<void> {
  const state = await readSlice(lab.home, slice);
  const kept = [...(state?.leases.values() ?? [])].map(({ lease }) => lease);
  const there = await leasesAtNodes(lab, slice);
  assert.equal(there.length, count, "leases at the nodes");
  const serials = (leases: readonly Lease[]) => leases.map(({ node, serial }) => `${node} ${serial}`).sort();
  assert.deepEqual(serials(kept), serials(there), "leases in the journal are those at the nodes");
  assert.equal(state?.tickets.size ?? 0, 0, "tickets left in the journal");
  const machines = lab.nodes.flatMap(({ backend }) =>
    [...backend.slivers.values()].filter((p) => p.slice === slice),
  );
  assert.deepEqual(
    machines.map(({ id }) => id).sort(),
    there.map(({ sliver }) => sliver).sort(),
    "machines ↔ leases",
  );
  await eventually(
    async () => {
      const counted = (await lab.charges()).filter((charge) => charge.slice === slice);
      const nodes = counted.map(({ node }) => node);
      // A lease renewed with a further ticket counts under both until it has ended.
      const once = renewed ? [...new Set(nodes)] : nodes;
      assert.deepEqual(once.sort(), there.map(({ node }) => node).sort());
      return true;
    },
    { what: "the agent's books agreeing with the nodes" },
  );
}
