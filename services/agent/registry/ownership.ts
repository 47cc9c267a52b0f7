import { refuseUnless } from "#shared/model/errors.ts";
import { isOut, writeMember } from "../store/registry/slice-members.ts";
import { transferName } from "../store/registry/slice-names.ts";
import type { Office } from "./office.ts";
import { nameOf } from "./registry.ts";

/**
 * Makes the name of a slice another principal's: from then on that one gets tickets for it, and nobody else. Tickets and
 * leases that there are stay whose they are. Throws NO_SLICE where nobody ever had the name.
 */
export async function transferSlice(office: Office, slice: string, principal: string): Promise<void> {
  await office.act("transfer slice", { slice, principal }, async (tx) => {
    const owner = await nameOf(tx, principal);
    const transferred = await transferName(tx, slice, owner);
    refuseUnless(transferred, "NO_SLICE", `a slice called ${slice} does not exist here`);
    if (await isOut(tx, slice, owner))
      await writeMember(tx, { slice, principal: owner, member: true }, office.clock.now());
  });
}
