import { refuseUnless } from "#shared/model/errors.ts";
import type { SliceRecord } from "./slice-record.ts";

/** Throws unless this principal may go on with a slice that is not being deleted. */
export function checkGoingOn(record: SliceRecord, principal: string): void {
  checkOwner(record, principal);
  checkNotDeleting(record);
}

/** Throws SLICE_EXISTS for a slice that nothing can be done with any more but to finish its deletion. */
export function checkNotDeleting({ name, phase }: SliceRecord): void {
  refuseUnless(
    phase !== "deleting",
    "SLICE_EXISTS",
    `slice ${name} is being deleted; finish that with slice delete ${name}`,
  );
}

/** Throws NOT_PRINCIPAL for any other key than the one the slice was begun with. */
export function checkOwner({ name, principal: owner }: SliceRecord, principal: string): void {
  refuseUnless(
    owner === principal,
    "NOT_PRINCIPAL",
    `slice ${name} was made with the key ${owner.slice(0, 12)}…; configure that key, or use another home`,
  );
}
