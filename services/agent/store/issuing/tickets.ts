import type { KeyName } from "#shared/identity/key.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { Unsealed } from "../../signing/seal.ts";

/** How an issued ticket stands. `redeemed` counts on as `issued` does; the other three have freed what it took. */
export type TicketState = "issued" | "redeemed" | "ended" | "unredeemed" | "cancelled";

/** What a node can say of a ticket. */
export type SettledState = Exclude<TicketState, "issued">;

const UNSEALED = "t.body, h.principal, h.lineage from tickets t join holdings h on h.id = t.holding";

type UnsealedRow = { readonly body: string; readonly principal: KeyName; readonly lineage: string[] };

function unsealed(row: UnsealedRow): Unsealed {
  return { body: Buffer.from(row.body), principal: row.principal, lineage: row.lineage };
}

/** Tickets as they were issued, in the order of their ids as given. Ids that were never issued are left out. */
export async function ticketsOf(queries: Queries, ids: readonly DocumentId[]): Promise<Unsealed[]> {
  const rows = await queries.rows<UnsealedRow>(
    `select ${UNSEALED} join unnest($1::text[]) with ordinality as a (id, place) on a.id = t.id order by a.place`,
    [ids],
  );
  return rows.map(unsealed);
}

/** The newest tickets that can still be redeemed and were not given back: of one principal, or of everyone. */
export async function outstandingTickets(
  queries: Queries,
  principal: KeyName | undefined,
  after: Instant,
  limit: number,
): Promise<Unsealed[]> {
  const rows = await queries.rows<UnsealedRow>(
    `select ${UNSEALED}
     where t.state = 'issued' and t.released is null and t.valid_to > to_timestamp($1)
       and ($2::text is null or t.slice in (select name from slices where principal = $2))
     order by t.issued desc, t.id limit $3`,
    [after, principal ?? null, limit],
  );
  return rows.map(unsealed);
}

/** Names of slices with tickets that count now or later. */
export async function countedSlices(queries: Queries, now: Instant): Promise<string[]> {
  const rows = await queries.rows<{ slice: string }>(
    "select distinct slice from charges where slice <> '' and counted_to > to_timestamp($1) order by slice",
    [now],
  );
  return rows.map((row) => row.slice);
}

/** Those of some tickets that are in the books. */
export type KnownTicket = {
  readonly id: DocumentId;
  readonly node: KeyName;
  readonly principal: KeyName;
  readonly state: TicketState;
};

/** Locked, in one order, until the transaction ends. */
export async function lockTickets(tx: Tx, ids: readonly DocumentId[]): Promise<KnownTicket[]> {
  return await tx.rows<KnownTicket>(
    "select id, node, principal, state from tickets where id = any($1::text[]) order by id for update",
    [ids],
  );
}

/** Notes that tickets were given back. They count until their nodes have said what became of them. */
export async function markReleased(tx: Tx, ids: readonly DocumentId[], now: Instant): Promise<void> {
  await tx.run(
    "update tickets set released = coalesce(released, to_timestamp($2)) where id = any($1::text[])",
    [ids, now],
  );
}

/** Writes what a node said of tickets that are locked. */
export async function markSettled(
  tx: Tx,
  states: ReadonlyMap<DocumentId, SettledState>,
  now: Instant,
): Promise<void> {
  await tx.run(
    `update tickets t set state = s.state::ticket_state, settled = to_timestamp($3)
     from unnest($1::text[], $2::text[]) as s (id, state) where t.id = s.id`,
    [[...states.keys()], [...states.values()], now],
  );
}

/** Closes tickets that count for no time any more, whatever their nodes have said or not: their sums go with them. */
export async function lapseTickets(queries: Queries, before: Instant, now: Instant): Promise<void> {
  await queries.run(
    `update tickets set state = 'ended', settled = to_timestamp($2)
     where state in ('issued', 'redeemed') and counted_to < to_timestamp($1)`,
    [before, now],
  );
}

/** A node that has to say what became of tickets, and where to ask it. */
export type Doubt = {
  readonly node: KeyName;
  /** SubjectPublicKeyInfo of its identity key, which signs what it says. */
  readonly publicKey: Buffer;
  readonly ip: string;
  readonly sslport: number;
  readonly tickets: readonly DocumentId[];
};

/**
 * Tickets that were given back, or were not reported redeemed although nobody can redeem them any more (`before`: the
 * slack of clocks is the caller's), by node, at most `limit` of each. Nodes that never said where they listen can't be
 * asked. `only` narrows it to some tickets.
 */
export async function doubtfulTickets(
  queries: Queries,
  before: Instant,
  limit: number,
  only?: readonly DocumentId[],
): Promise<Doubt[]> {
  return await queries.rows<Doubt>(
    `select n.node, n.ip, n.sslport, p.public_key as "publicKey",
       (array_agg(t.id order by t.issued, t.id))[1:$2] as tickets
     from tickets t join nodes n on n.node = t.node join principals p on p.name = n.node
     where t.state = 'issued' and (t.released is not null or t.valid_to < to_timestamp($1))
       and n.sslport is not null and ($3::text[] is null or t.id = any($3))
     group by n.node, p.name order by n.node`,
    [before, limit, only ?? null],
  );
}
