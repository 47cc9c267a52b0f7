import { randomBytes } from "node:crypto";
import { Fault, OperatorError, refuseUnless } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import { secretHash } from "#shared/wire/invitation.ts";
import type { Office } from "../registry/office.ts";
import { enrolmentById } from "../store/enrolment/enrolments.ts";
import {
  countUse,
  insertInvitation,
  invitationOf,
  isGiven,
  lockInvitation,
  type NewcomerKind,
  type StoredInvitation,
  withdrawInvitation,
} from "../store/enrolment/invitations.ts";
import type { Role } from "../store/registry/principals.ts";

/** An invitation to be given out. */
export type NewInvitation = {
  readonly secretHash: string;
  readonly kind: NewcomerKind;
  readonly role?: Exclude<Role, "node">;
  readonly name?: string;
  readonly site?: string;
  readonly addresses?: readonly string[];
  readonly approves?: boolean;
  readonly uses?: number;
  readonly validSeconds?: number;
};

const WEEK = 7 * 86_400;

/**
 * Lets whoever knows the secret enrol. What contradicts itself is refused by the schema, in a sentence. `answer`: what
 * is answered.
 */
export async function addInvitation<T>(
  office: Office,
  { secretHash: hash, ...wanted }: NewInvitation,
  answer: (added: { readonly id: string; readonly expires: Instant }) => T,
): Promise<T> {
  const { kind, name = null, site = null, addresses = [], approves = false, uses = 1 } = wanted;
  const created = office.clock.now();
  const invitation = {
    ...{ id: randomBytes(16).toString("hex"), kind, role: roleOf(wanted), label: name, site },
    ...{ addresses, approves, uses, by: office.who, created },
    expires: created + (wanted.validSeconds ?? WEEK),
  };
  return await office.act("add invitation", { ...invitation, created: undefined }, async (tx) => {
    await insertInvitation(tx, hash, invitation);
    return answer(invitation);
  });
}

/** A node is a node, and a person who is nothing else a researcher. */
function roleOf({ kind, role }: Pick<NewInvitation, "kind" | "role">): Role | null {
  switch (kind) {
    case "person":
      return role ?? "researcher";
    case "node":
      if (role === undefined) return "node";
      throw new OperatorError("a node has no role; leave it out");
    case "service":
      return role ?? null;
    default:
      return kind satisfies never;
  }
}

export async function withdraw(office: Office, id: string): Promise<void> {
  await office.act("withdraw invitation", { invitation: id }, async (tx) => {
    if (!(await withdrawInvitation(tx, id, office.clock.now())))
      throw new OperatorError("there is no such invitation, or it was withdrawn before");
  });
}

/** What became of an invitation by now. */
export function invitationState(
  { withdrawn, expires, used, uses }: Pick<StoredInvitation, "withdrawn" | "expires" | "used" | "uses">,
  now: Instant,
): "open" | "used" | "expired" | "withdrawn" {
  if (withdrawn !== null) return "withdrawn";
  if (used >= uses) return "used";
  return now < expires ? "open" : "expired";
}

/**
 * Uses an invitation once, in a transaction that is undone if anything else fails. Throws NO_PRIVILEGE for a secret that
 * this agent never gave out, REVOKED also where whoever gave it is no administrator now, EXPIRED, and ALREADY_REDEEMED.
 */
export async function useInvitation(tx: Tx, secret: string, now: Instant): Promise<StoredInvitation> {
  const invitation = await lockInvitation(tx, secretHash(secret));
  refuseUnless(
    invitation,
    "NO_PRIVILEGE",
    "this agent did not give out that invitation; ask whoever sent it for another",
  );
  const state = invitationState(invitation, now);
  switch (state) {
    case "withdrawn":
      throw new Fault("REVOKED", "the invitation was withdrawn; ask for another");
    case "used":
      throw new Fault("ALREADY_REDEEMED", "the invitation was used already; ask for another");
    case "expired":
      throw new Fault("EXPIRED", "the invitation is no longer valid; ask for another");
    case "open":
      await refuseUngiven(tx, invitation);
      await countUse(tx, invitation.id);
      return invitation;
    default:
      return state satisfies never;
  }
}

/** Throws REVOKED where what the invitation of an enrolment has decided beforehand holds no longer. */
export async function refuseUndecided(queries: Queries, enrolment: string): Promise<void> {
  const { invitation: id } = (await enrolmentById(queries, enrolment)) ?? {};
  const invitation = id ? await invitationOf(queries, id) : undefined;
  refuseUnless(
    invitation && invitation.withdrawn === null,
    "REVOKED",
    "the invitation was withdrawn; an administrator decides now",
  );
  await refuseUngiven(queries, invitation);
}

/** An administrator who is put out must not come back, or bring others in, by what they gave out before. */
async function refuseUngiven(queries: Queries, { id }: StoredInvitation): Promise<void> {
  refuseUnless(
    await isGiven(queries, id),
    "REVOKED",
    "whoever gave that invitation administers this agent no more; ask an administrator for another",
  );
}
