import type { KeyName } from "#shared/identity/key.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";

/** Makes the public halves of this agent's ticket keys known to the books. */
export async function saveTicketKey(
  queries: Queries,
  name: KeyName,
  spki: Buffer,
  now: Instant,
): Promise<void> {
  await queries.run(
    "insert into ticket_keys (name, public_key, since) values ($1, $2, to_timestamp($3)) on conflict do nothing",
    [name, spki, now],
  );
}

/** A ticket key in the books, and what stands on it. */
export type TicketKeyRecord = {
  readonly name: KeyName;
  readonly since: Instant;
  /** Since when nothing is to be split any more from what was given to it. */
  readonly closing: Instant | null;
  /** When nothing stood on it any more, and it was forgotten. */
  readonly dropped: Instant | null;
  /** Holdings given to it that have not ended and that their nodes have not closed. */
  readonly holdings: number;
  /** Those of them beside which the current key has none of the same issuer on the same node. */
  readonly unfollowed: number;
  /** Tickets split from them that count, and when the last of them ends. */
  readonly tickets: number;
  readonly until: Instant | null;
  /** Grants split from them that count. */
  readonly grants: number;
  /** Answers that may be asked for again, and need its signature then. */
  readonly answers: number;
};

/** Every ticket key there was, the current one first, then the latest. */
export async function ticketKeyRecords(
  queries: Queries,
  current: KeyName,
  now: Instant,
): Promise<TicketKeyRecord[]> {
  return await queries.rows<TicketKeyRecord>(
    `select k.name, k.since, k.closing, k.dropped, held.*, issued.*,
       (select count(*) from grants g join holdings h on h.id = g.holding
        where h.principal = k.name and g.state in ('granted', 'closing')) as grants,
       (select count(*) from replies r where r.keep_until > to_timestamp($2) and exists (
          select from tickets t join holdings h on h.id = t.holding
          where t.id = any(r.tickets) and h.principal = k.name)) as answers
     from ticket_keys k
     cross join lateral (
       select count(*) as holdings, count(*) filter (where not exists (
           select from holdings o where o.node = h.node and o.issuer = h.issuer and o.principal = $1
             and o.valid_to > to_timestamp($2) and o.term_end > to_timestamp($2))) as unfollowed
       from holdings h where h.principal = k.name and h.closed is null and h.term_end > to_timestamp($2)
     ) as held
     cross join lateral (
       select count(*) as tickets, max(t.counted_to) as until
       from holdings h join tickets t on t.account = h.account and t.holding = h.id
       where h.principal = k.name and t.state in ('issued', 'redeemed')
     ) as issued
     order by k.name = $1 desc, k.since desc, k.name`,
    [current, now],
  );
}

/** Nothing more is split from what was given to an earlier key where the current one was given as much as there is now. */
export async function preferKey(queries: Queries, current: KeyName, now: Instant): Promise<void> {
  await queries.run(
    `update holdings h set valid_to = greatest(h.valid_from + interval '1 second', to_timestamp($2))
     where h.principal <> $1 and h.valid_to > to_timestamp($2) and exists (
       select from holdings o where o.node = h.node and o.issuer = h.issuer and o.principal = $1
         and o.valid_from <= to_timestamp($2) and o.valid_to > to_timestamp($2)
         and o.term_start <= to_timestamp($2) and o.term_end > to_timestamp($2))`,
    [current, now],
  );
}

/** From now on nothing is split from what was given to this key, and its nodes are to close it. */
export async function markKeyClosing(tx: Tx, name: KeyName, now: Instant): Promise<void> {
  await tx.run("update ticket_keys set closing = coalesce(closing, to_timestamp($2)) where name = $1", [
    name,
    now,
  ]);
  await tx.run(
    `update holdings set valid_to = greatest(valid_from + interval '1 second', to_timestamp($2))
     where principal = $1 and valid_to > to_timestamp($2)`,
    [name, now],
  );
}

/** A node, and what it is to close of what was given to a key. */
export type HoldingsToClose = {
  readonly node: KeyName;
  readonly ip: string;
  readonly sslport: number;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
  readonly tickets: readonly DocumentId[];
  /** Of each the documents of its chain, root first and itself last. */
  readonly lineages: readonly (readonly string[])[];
};

/** By node, holdings of a key that have not ended and were not closed, at most `limit` of each node that can be asked. */
export async function holdingsToClose(
  queries: Queries,
  key: KeyName,
  now: Instant,
  limit: number,
): Promise<HoldingsToClose[]> {
  return await queries.rows<HoldingsToClose>(
    `select n.node, n.ip, n.sslport, p.public_key as "publicKey",
       (array_agg(h.id order by h.id))[1:$3] as tickets, to_json((array_agg(h.lineage order by h.id))[1:$3]) as lineages
     from holdings h join nodes n on n.node = h.node join principals p on p.name = n.node
     where h.principal = $1 and h.closed is null and h.term_end > to_timestamp($2) and n.sslport is not null
     group by n.node, p.name order by n.node`,
    [key, now, limit],
  );
}

/** Writes that a node has closed holdings. */
export async function markHoldingsClosed(
  queries: Queries,
  node: KeyName,
  ids: readonly DocumentId[],
  now: Instant,
): Promise<void> {
  await queries.run(
    "update holdings set closed = to_timestamp($3) where node = $1 and id = any($2::text[]) and closed is null",
    [node, ids, now],
  );
}

/** Whether this call is the one that forgets the key. */
export async function markKeyDropped(tx: Tx, name: KeyName, now: Instant): Promise<boolean> {
  const dropped = await tx.run(
    "update ticket_keys set dropped = to_timestamp($2) where name = $1 and dropped is null",
    [name, now],
  );
  return dropped === 1;
}
