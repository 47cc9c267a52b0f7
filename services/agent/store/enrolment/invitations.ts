import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { Role } from "../registry/principals.ts";

export type NewcomerKind = "person" | "node" | "service";

/** Leave to enrol, for whoever knows its secret. */
export type StoredInvitation = {
  readonly id: string;
  readonly kind: NewcomerKind;
  /** Null: a service that is certified and not registered. */
  readonly role: Role | null;
  readonly label: string | null;
  readonly site: string | null;
  readonly addresses: readonly string[];
  readonly approves: boolean;
  readonly uses: number;
  readonly used: number;
  readonly by: string;
  readonly created: Instant;
  readonly expires: Instant;
  readonly withdrawn: Instant | null;
};

const INVITATION =
  "id, kind, role, label, site, addresses, approves, uses, used, by, created, expires, withdrawn";

export async function insertInvitation(
  tx: Tx,
  secretHash: string,
  one: Omit<StoredInvitation, "used" | "withdrawn">,
): Promise<void> {
  await tx.run(
    `insert into invitations (id, secret_sha256, kind, role, label, site, addresses, approves, uses, by, created, expires)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, to_timestamp($11), to_timestamp($12))`,
    [
      ...[one.id, Buffer.from(secretHash, "hex"), one.kind, one.role, one.label, one.site, one.addresses],
      ...[one.approves, one.uses, one.by, one.created, one.expires],
    ],
  );
}

/** By the hash of its secret, held until the transaction ends. */
export async function lockInvitation(tx: Tx, secretHash: string): Promise<StoredInvitation | undefined> {
  return await tx.row<StoredInvitation>(
    `select ${INVITATION} from invitations where secret_sha256 = $1 for update`,
    [Buffer.from(secretHash, "hex")],
  );
}

export async function invitationOf(queries: Queries, id: string): Promise<StoredInvitation | undefined> {
  return await queries.row<StoredInvitation>(`select ${INVITATION} from invitations where id = $1`, [id]);
}

/**
 * Of an invitation `i`: who gave it may still do so. What somebody decided beforehand who administers nothing any more
 * is not decided.
 */
export const GIVEN = `(i.by = 'operator' or exists (select from principals p
  where p.name = i.by and p.role = 'administrator' and not p.suspended))`;

/** Whether whoever gave an invitation is an administrator now. */
export async function isGiven(queries: Queries, id: string): Promise<boolean> {
  return (await queries.row(`select from invitations i where i.id = $1 and ${GIVEN}`, [id])) !== undefined;
}

export async function countUse(tx: Tx, id: string): Promise<void> {
  await tx.run("update invitations set used = used + 1 where id = $1", [id]);
}

/** False: there is none, or it was withdrawn before. */
export async function withdrawInvitation(tx: Tx, id: string, now: Instant): Promise<boolean> {
  const changed = await tx.run(
    "update invitations set withdrawn = to_timestamp($2) where id = $1 and withdrawn is null",
    [id, now],
  );
  return changed === 1;
}

export async function invitations(
  queries: Queries,
  after: string,
  limit: number,
): Promise<StoredInvitation[]> {
  return await queries.rows<StoredInvitation>(
    `select ${INVITATION} from invitations where id > $1 order by id limit $2`,
    [after, limit],
  );
}
