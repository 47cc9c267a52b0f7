import type { KeyName } from "#shared/identity/key.ts";
import { OperatorError, refuseUnless } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";
import {
  lockSliceOwner,
  membershipOf,
  type SliceMembership,
  writeMember,
} from "../store/registry/slice-members.ts";
import type { Office } from "./office.ts";
import { nameOf } from "./registry.ts";

/** From then on this principal gets tickets for the slice as its owner does. Throws NO_SLICE. */
export async function addMember(office: Office, slice: string, principal: string): Promise<void> {
  await office.act("add member", { slice, principal }, async (tx) => {
    const owner = await lockSliceOwner(tx, slice);
    refuseUnless(owner, "NO_SLICE", `a slice called ${slice} does not exist here`);
    await writeMember(
      tx,
      { slice, principal: await nameOf(tx, principal), member: true },
      office.clock.now(),
    );
  });
}

/**
 * From then on this principal gets no ticket for the slice, and every node puts it out of the slice's leases as soon as it
 * hears of it: also who never was a member here, but owned the name once. The owner is refused: the name has to be
 * another's first.
 */
export async function removeMember(office: Office, slice: string, principal: string): Promise<void> {
  await office.act("remove member", { slice, principal }, async (tx) => {
    const owner = await lockSliceOwner(tx, slice);
    refuseUnless(owner, "NO_SLICE", `a slice called ${slice} does not exist here`);
    const name = await nameOf(tx, principal);
    if (name === owner)
      throw new OperatorError(`${slice} is ${principal}'s own; transfer it to another member first`);
    await writeMember(tx, { slice, principal: name, member: false }, office.clock.now());
  });
}

/** What a member of a slice may know of it. Throws NO_SLICE, and NOT_PRINCIPAL for everybody else. */
export async function sliceFor(
  queries: Queries,
  slice: string,
  peer: KeyName,
  now: Instant,
): Promise<SliceMembership> {
  const membership = await membershipOf(queries, slice, now);
  refuseUnless(membership, "NO_SLICE", `a slice called ${slice} does not exist here`);
  const { owner, members } = membership;
  refuseUnless(
    owner === peer || members.includes(peer),
    "NOT_PRINCIPAL",
    `you are no member of ${slice}; have the agent's administrator make you one`,
  );
  return membership;
}
