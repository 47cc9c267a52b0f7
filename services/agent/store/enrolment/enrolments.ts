import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import { GIVEN, type NewcomerKind } from "./invitations.ts";

export type EnrolmentState = "waiting" | "approved" | "refused";

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

const ENROLMENT = `id, key, csr, kind, invitation, wished_name as "wishedName", wished_address as "wishedAddress", note,
  came_from as "from", asked, expires, state, by, reason, certificate`;

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
