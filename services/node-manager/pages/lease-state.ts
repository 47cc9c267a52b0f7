import type { StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";

/** How a lease is, as pages say it: one that lives may be suspended. */
export function stateOf({ serial, state }: StoredLease, suspensions: Store["suspensions"]): string {
  return state === "live" && suspensions.has(serial) ? "suspended" : state;
}
