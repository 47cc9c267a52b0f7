import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { Role } from "../registry/principals.ts";

export type NewcomerKind = "person" | "node" | "service";
export type EnrolmentState = "waiting" | "approved" | "refused";

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

/** A newcomer's request and what became of it. */
export type StoredEnrolment = {
  readonly id: string;
  readonly key: KeyName;
  readonly csr: string;
  readonly kind: NewcomerKind;
  readonly invitation: string | null;
  readonly wishedName: string | null;
  readonly wishedAddress: string | null;
  readonly note: string | null;
  readonly from: string;
  readonly asked: Instant;
  readonly expires: Instant;
  readonly state: EnrolmentState;
  readonly by: string | null;
  readonly reason: string | null;
  readonly certificate: string | null;
};

const INVITATION =
  "id, kind, role, label, site, addresses, approves, uses, used, by, created, expires, withdrawn";
const ENROLMENT = `id, key, csr, kind, invitation, wished_name as "wishedName", wished_address as "wishedAddress", note,
  came_from as "from", asked, expires, state, by, reason, certificate`;

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

/** Who gave it may still do so: what somebody decided beforehand who administers nothing any more is not decided. */
const GIVEN = `(i.by = 'operator' or exists (select from principals p
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

/** New requests come one after the other, so that bounds on them hold. */
export async function lockEnrolments(tx: Tx): Promise<void> {
  await tx.run("lock table enrolments in share row exclusive mode");
}

export async function enrolmentOfKey(tx: Queries, key: KeyName): Promise<StoredEnrolment | undefined> {
  return await tx.row<StoredEnrolment>(`select ${ENROLMENT} from enrolments where key = $1`, [key]);
}

export async function enrolmentById(queries: Queries, id: string): Promise<StoredEnrolment | undefined> {
  return await queries.row<StoredEnrolment>(`select ${ENROLMENT} from enrolments where id = $1`, [id]);
}

/** How many wait who brought no invitation: in all, and from one address. */
export async function strangersWaiting(
  tx: Tx,
  from: string,
  now: Instant,
): Promise<{ readonly all: number; readonly here: number }> {
  const row = await tx.row<{ all: number; here: number }>(
    `select count(*) as all, count(*) filter (where came_from = $1) as here
     from enrolments where state = 'waiting' and invitation is null and expires > to_timestamp($2)`,
    [from, now],
  );
  return row!;
}

export async function insertEnrolment(
  tx: Tx,
  one: Omit<StoredEnrolment, "by" | "reason" | "certificate" | "state">,
): Promise<void> {
  await tx.run(
    `insert into enrolments (id, key, csr, kind, invitation, wished_name, wished_address, note, came_from, asked,
       expires, state)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, to_timestamp($10), to_timestamp($11), 'waiting')`,
    [
      ...[one.id, one.key, one.csr, one.kind, one.invitation, one.wishedName, one.wishedAddress, one.note],
      ...[one.from, one.asked, one.expires],
    ],
  );
}

/** What a waiting request turns out to be: false if it waits no more. */
export async function decideEnrolment(
  tx: Tx,
  id: string,
  decision: { readonly by: string; readonly now: Instant } & (
    | { readonly certificate: string }
    | { readonly reason: string }
  ),
): Promise<boolean> {
  const certificate = "certificate" in decision ? decision.certificate : null;
  const changed = await tx.run(
    `update enrolments set state = $2, decided = to_timestamp($3), by = $4, certificate = $5, reason = $6
     where id = $1 and state = 'waiting'`,
    [
      ...[id, certificate === null ? "refused" : "approved", decision.now, decision.by, certificate],
      "reason" in decision ? decision.reason : null,
    ],
  );
  return changed === 1;
}

export async function removeEnrolment(tx: Tx, id: string): Promise<void> {
  await tx.run("delete from enrolments where id = $1", [id]);
}

export async function enrolments(
  queries: Queries,
  {
    state,
    after,
    limit,
  }: { readonly state?: EnrolmentState; readonly after: string; readonly limit: number },
): Promise<StoredEnrolment[]> {
  return await queries.rows<StoredEnrolment>(
    `select ${ENROLMENT} from enrolments where ($1::text is null or state = $1) and id > $2 order by id limit $3`,
    [state ?? null, after, limit],
  );
}

/** Requests that nobody need decide about, and that still wait. */
export async function selfApproving(queries: Queries, now: Instant): Promise<string[]> {
  const rows = await queries.rows<{ id: string }>(
    `select e.id from enrolments e join invitations i on i.id = e.invitation
     where e.state = 'waiting' and i.approves and i.withdrawn is null and ${GIVEN} and e.expires > to_timestamp($1) order by e.asked limit 100`,
    [now],
  );
  return rows.map(({ id }) => id);
}

/** What was never decided in time, and what was refused before `refusedBefore`. */
export async function forgetEnrolments(
  queries: Queries,
  now: Instant,
  refusedBefore: Instant,
): Promise<void> {
  await queries.run(
    `delete from enrolments where state = 'waiting' and expires <= to_timestamp($1)
       or state = 'refused' and decided < to_timestamp($2)`,
    [now, refusedBefore],
  );
}
