import { refuseUnless } from "#shared/model/errors.ts";
import type { SliceRecord } from "./slice-record.ts";

/** Throws unless this principal may go on with a slice that is not being deleted. */
export function checkGoingOn(record: SliceRecord, principal: string): void {
  checkOwner(record, principal);
  refuseUnless(
    record.phase !== "deleting",
    "SLICE_EXISTS",
    `slice ${record.name} is being deleted; finish that with slice delete ${record.name}`,
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
