import type { Acts } from "./administration/acts.ts";
import { allowanceActs } from "./administration/allowances.ts";
import { type AuditedBooks, auditActs } from "./administration/audit.ts";
import { fleetActs } from "./administration/fleet.ts";
import { peopleActs } from "./administration/people.ts";
import { sliceActs } from "./administration/slices.ts";

/** What administrators do, but for revoking. */
type AdministrationHandlers = Omit<Acts, "revokeprincipal" | "revoketicket" | "listrevocations">;

/** Thin handlers: each is one act of the calling administrator. */
export function administrationHandlers(books: AuditedBooks): AdministrationHandlers {
  return {
    ...{ ...peopleActs(books), ...allowanceActs(books), ...fleetActs(books) },
    ...{ ...sliceActs(books), ...auditActs(books) },
  };
}
