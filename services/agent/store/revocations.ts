import type { KeyName } from "#shared/identity/key.ts";
import type { Revoked } from "#shared/model/revocation.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import { CLOCK_SLACK, type Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import { lockStanding } from "./registry/standing.ts";

/** Told on this channel, with the signer: a list was replaced. */
export const REVOCATIONS_CHANNEL = "slicelab_agent_revocations";

/** The latest list of one signer, as it is kept. */
export type StoredList = {
  readonly signer: KeyName;
  readonly role: "authority" | "agent";
  readonly id: DocumentId;
  readonly number: number;
  readonly publicKey: Buffer;
  readonly document: string;
};

/** From here to the end of the transaction nobody else writes down what is revoked, or enters a principal. */
export async function lockRevocations(tx: Tx): Promise<void> {
  await tx.run("select pg_advisory_xact_lock(hashtext('slicelab revoked'))");
}

export async function storedLists(queries: Queries): Promise<StoredList[]> {
  return await queries.rows<StoredList>(
    `select signer, role, id, number, public_key as "publicKey", document from revocation_lists order by signer`,
  );
}

/** In place of the list its signer had before. Other processes hear of it when the transaction is committed. */
export async function saveList(tx: Tx, list: StoredList, now: Instant): Promise<void> {
  await tx.run(
    `insert into revocation_lists (signer, role, id, number, public_key, document, received)
     values ($1, $2, $3, $4, $5, $6, to_timestamp($7))
     on conflict (signer) do update set role = excluded.role, id = excluded.id, number = excluded.number,
       public_key = excluded.public_key, document = excluded.document, received = excluded.received`,
    [list.signer, list.role, list.id, list.number, list.publicKey, list.document, now],
  );
  await tx.run("select pg_notify($1, $2)", [REVOCATIONS_CHANNEL, list.signer]);
}

/** Keeps a second list of one number as evidence: the first such of each signer. */
export async function saveContradiction(
  queries: Queries,
  { signer, number, id, document }: StoredList,
  now: Instant,
): Promise<void> {
  await queries.run(
    `insert into revocation_conflicts (signer, number, id, document, received)
     values ($1, $2, $3, $4, to_timestamp($5)) on conflict (signer) do nothing`,
    [signer, number, id, document, now],
  );
}

/** Makes what a signer revoked what its list says. */
export async function replaceRevoked(tx: Tx, signer: KeyName, revoked: readonly Revoked[]): Promise<void> {
  const ids = revoked.map(({ id }) => id);
  await tx.run("delete from revoked where signer = $1 and not id = any($2::text[])", [signer, ids]);
  await tx.run(
    `insert into revoked (signer, kind, id, since)
     select $1, kind, id, to_timestamp(since) from unnest($2::text[], $3::text[], $4::double precision[]) as t (kind, id, since)
     on conflict do nothing`,
    [signer, revoked.map(({ kind }) => kind), ids, revoked.map(({ since }) => since)],
  );
}

/** Whether this is new. `until`: when nothing that it concerns can be valid any more. */
export async function addRevoked(
  tx: Tx,
  signer: KeyName,
  { kind, id, since }: Revoked,
  until?: Instant,
): Promise<boolean> {
  const added = await tx.run(
    `insert into revoked (signer, kind, id, since, until)
     values ($1, $2, $3, to_timestamp($4), coalesce(to_timestamp($5), 'infinity')) on conflict do nothing`,
    [signer, kind, id, since, until ?? null],
  );
  return added === 1;
}

/** What a signer has revoked and may matter yet. */
export async function revokedBy(queries: Queries, signer: KeyName, now: Instant): Promise<Revoked[]> {
  return await queries.rows<Revoked>(
    "select kind, id, since from revoked where signer = $1 and until > to_timestamp($2) order by kind, id",
    [signer, now - 2 * CLOCK_SLACK],
  );
}

/**
 * Principals whose keys are revoked get nothing any more, by whoever it was, and for nodes nothing more is issued. Called
 * with the lock held.
 */
export async function barRevoked(tx: Tx, now: Instant): Promise<void> {
  const nodes = await tx.rows<{ node: KeyName }>(
    `select n.node from nodes n join principals p on p.name = n.node
     where p.revoked is null and exists (select from revoked r where r.id = n.node and r.kind in ('key', 'principal'))
     order by n.node`,
  );
  for (const { node } of nodes) await lockStanding(tx, node);
  await tx.run(
    `update principals p set suspended = true, revoked = to_timestamp($1)
     from revoked r where r.id = p.name and r.kind in ('key', 'principal') and p.revoked is null`,
    [now],
  );
}

/**
 * What was issued to the revoked and not redeemed is given back, and what they were handed on of this agent's holdings
 * is to be closed: their nodes are asked about both by the scans that do so anyway.
 */
export async function takeBackRevoked(tx: Tx, now: Instant): Promise<void> {
  await tx.run(
    `update tickets t set released = to_timestamp($1) from revoked r
     where t.state = 'issued' and t.released is null and (r.id = t.principal or r.id = t.id)`,
    [now],
  );
  await tx.run(
    `update grants g set state = 'closing' where g.state = 'granted' and g.line in (
       select o.line from grants o join revoked r on r.id in (o.holder, o.id))`,
  );
}

/** A ticket or a grant of this agent, and until when it counts. */
export async function issuedDocument(
  queries: Queries,
  id: DocumentId,
): Promise<{ readonly until: Instant } | undefined> {
  return await queries.row<{ until: Instant }>(
    `select counted_to as until from tickets where id = $1
     union all select term_end from grants where id = $1`,
    [id],
  );
}

/** A node that has not said that it has the latest list of a signer. */
export type Undelivered = {
  readonly node: KeyName;
  readonly ip: string;
  readonly sslport: number;
  readonly signer: KeyName;
};

/** Those heard last first: who has been silent for long is waited for when everybody else has been told. */
export async function undelivered(queries: Queries, signers: readonly KeyName[]): Promise<Undelivered[]> {
  return await queries.rows<Undelivered>(
    `select n.node, n.ip, n.sslport, l.signer
     from nodes n join principals p on p.name = n.node join revocation_lists l on l.signer = any($1::text[])
     left join revocations_delivered d on d.node = n.node and d.signer = l.signer
     where n.sslport is not null and n.retired is null and p.revoked is null
       and (d.number is null or d.number < l.number)
     order by n.heard desc nulls last, n.node, l.signer`,
    [signers],
  );
}

export async function markDelivered(
  queries: Queries,
  { node, signer }: Pick<Undelivered, "node" | "signer">,
  number: number,
): Promise<void> {
  await queries.run(
    `insert into revocations_delivered (node, signer, number) values ($1, $2, $3)
     on conflict (node, signer) do update set number = greatest(revocations_delivered.number, excluded.number)`,
    [node, signer, number],
  );
}

/** A list, and how far it has come. */
export type ListStanding = {
  readonly signer: KeyName;
  readonly role: "authority" | "agent";
  readonly number: number;
  readonly received: Instant;
  readonly names: number;
  readonly nodes: number;
  /** What administrators call the nodes that have not said that they have it. */
  readonly untold: readonly string[];
};

export async function listStandings(queries: Queries): Promise<ListStanding[]> {
  return await queries.rows<ListStanding>(
    `select l.signer, l.role, l.number, l.received,
       (select count(*) from revoked r where r.signer = l.signer) as names,
       count(n.node) as nodes,
       coalesce(array_agg(p.label order by p.label) filter (where n.node is not null and d.number is null), '{}') as untold
     from revocation_lists l
     left join (nodes n join principals p on p.name = n.node) on n.retired is null and p.revoked is null
     left join revocations_delivered d on d.node = n.node and d.signer = l.signer and d.number >= l.number
     group by l.signer order by l.role desc, l.signer`,
  );
}
