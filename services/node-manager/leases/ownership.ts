import type { KeyName } from "#shared/identity/key.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { checkSliceName } from "#shared/model/slice-name.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";

/** Which lease a call means: by its slice and, where the caller knows it, its serial. */
export type LeaseReference = { readonly slice: string; readonly lease_serial?: string };

/**
 * The lease of a slice that has one here, be it on its way in or out. Throws BAD_NAME or NO_SLICE, whose sentence
 * v0.5's callers match.
 */
export function findLease(store: Store, { slice, lease_serial }: LeaseReference): StoredLease {
  const lease = store.leases.ofSlice(checkSliceName(slice));
  const meant = lease_serial === undefined || lease?.serial === lease_serial;
  if (lease && lease.state !== "undoing" && meant) return lease;
  throw noSlice(slice);
}

/** The same, but not one that is on its way out. */
export function findLastingLease(store: Store, reference: LeaseReference, peer: KeyName): StoredLease {
  const lease = findOwnLease(store, reference, peer);
  if (lease.state === "deleting") throw noSlice(lease.slice);
  return lease;
}

/** A slice's lease for its members alone, its principal first: throws NOT_PRINCIPAL for everybody else. */
export function findOwnLease(store: Store, reference: LeaseReference, peer: KeyName): StoredLease {
  const lease = findLease(store, reference);
  checkMember(store, lease, peer);
  return lease;
}

export function checkMember({ members }: Store, { serial, slice }: StoredLease, peer: KeyName): void {
  refuseUnless(
    members.has(serial, peer),
    "NOT_PRINCIPAL",
    `the slice ${slice} on this node belongs to another principal; use the key that owns it, or join it as a member of the slice with slice adopt ${slice}`,
  );
}

export function noSlice(slice: string): Fault {
  return new Fault(
    "NO_SLICE",
    `the slice ${slice} does not exist on this node; getslivers, or slicelab node leases, lists what does`,
  );
}
