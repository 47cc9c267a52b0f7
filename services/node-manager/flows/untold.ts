import type { SliverId } from "../backends/backend.ts";
import { leaseOf, type StoredLease } from "../store/lease-rows.ts";

/**
 * Why no flows of a slice are recorded. `administrative`: it is in the node's own network, whose connections carry nobody's
 * name. `simulated`: nothing runs in it that could send. `unconnected`: it does not run, or its engine does not answer.
 */
export const UNTOLD = ["administrative", "simulated", "unconnected"] as const;

export type Untold = { readonly slice: string; readonly because: (typeof UNTOLD)[number] };

/** Those of the leases that are not among the slivers whose flows are told apart. */
export function untoldOf(leases: readonly StoredLease[], told: ReadonlySet<SliverId>): Untold[] {
  return leases
    .filter(({ sliver }) => !told.has(sliver))
    .map((stored) => ({ slice: stored.slice, because: reason(stored) }));
}

function reason(stored: StoredLease): Untold["because"] {
  if (stored.engine === "simulated") return "simulated";
  return leaseOf(stored).administrative ? "administrative" : "unconnected";
}
