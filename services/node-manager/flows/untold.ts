import type { EngineName } from "#shared/model/ticket.ts";
import type { SliverId } from "../backends/backend.ts";
import { leaseOf, type StoredLease } from "../store/lease-rows.ts";

/**
 * Why no flows of a slice are recorded. `administrative`: it is in the node's own network, whose connections carry nobody's
 * name. `simulated`: nothing runs in it that could send. `unconnected`: it does not run, or nobody knows, since no
 * node manager serves or the engine does not answer.
 */
export const UNTOLD = ["administrative", "simulated", "unconnected"] as const;

export type Untold = { readonly slice: string; readonly because: (typeof UNTOLD)[number] };

/** Those of the leases that are not among the slivers whose flows are told apart. `simulating`: engines that run nothing. */
export function untoldOf(
  leases: readonly StoredLease[],
  told: ReadonlySet<SliverId>,
  simulating: ReadonlySet<EngineName>,
): Untold[] {
  return leases
    .filter(({ sliver }) => !told.has(sliver))
    .map((stored) => ({ slice: stored.slice, because: reason(stored, simulating) }));
}

function reason(stored: StoredLease, simulating: ReadonlySet<EngineName>): Untold["because"] {
  if (simulating.has(stored.engine)) return "simulated";
  return leaseOf(stored).administrative ? "administrative" : "unconnected";
}
