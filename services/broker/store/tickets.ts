import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { Ask, GrantedTicket } from "../acquisition/ask.ts";

/** A ticket of an acquisition. The lower its place, the rather it is used. */
export type StoredTicket = {
  readonly id: DocumentId;
  readonly agent: string;
  readonly node: string;
  readonly document: string;
  readonly place: number;
};

/** A ticket with where it is to go. */
export type PlacedTicket = GrantedTicket & { readonly place: number };

/** Keeps what an ask brought. A ticket for a node that the acquisition has one for already is not wanted. */
export async function insertTickets(
  tx: Tx,
  acquisition: DocumentId,
  ask: Ask,
  tickets: readonly PlacedTicket[],
  wanted: boolean,
): Promise<void> {
  for (const { id, text, ticket, place } of tickets) {
    await tx.run(
      `insert into tickets (id, acquisition, ask, place, agent, node, document, valid_to, state)
       select $1, $2, $3, $4, $5, $6, $7, to_timestamp($8),
         case when $9 and not exists (select from tickets where acquisition = $2 and node = $6 and state = 'held')
           then 'held' else 'unwanted' end::held_state
       on conflict (id) do nothing`,
      [id, acquisition, ask.requestId, place, ask.agent, ticket.node, text, ticket.validity.end, wanted],
    );
  }
}

/** What an acquisition has for its principal, in order of preference. */
export async function heldTickets(queries: Queries, acquisition: DocumentId): Promise<StoredTicket[]> {
  return await queries.rows<StoredTicket>(
    `select id, agent, node, document, place from tickets where acquisition = $1 and state = 'held'
     order by place, id`,
    [acquisition],
  );
}

export async function countHeld(queries: Queries, acquisition: DocumentId): Promise<number> {
  const row = await queries.row<{ held: number }>(
    "select count(*) as held from tickets where acquisition = $1 and state = 'held'",
    [acquisition],
  );
  return row?.held ?? 0;
}

/** Nobody will be told of these any more. */
export async function giveUpTickets(tx: Tx, acquisition: DocumentId): Promise<void> {
  await tx.run("update tickets set state = 'unwanted' where acquisition = $1 and state = 'held'", [
    acquisition,
  ]);
}

/** Tickets that their agents are to have back, while they are good for anything. */
export async function unwantedTickets(
  queries: Queries,
  agent: string,
  after: Instant,
  limit: number,
): Promise<Pick<StoredTicket, "id" | "document">[]> {
  return await queries.rows(
    `select id, document from tickets where agent = $1 and state = 'unwanted' and valid_to > to_timestamp($2)
     order by valid_to, id limit $3`,
    [agent, after, limit],
  );
}

export async function markReleased(queries: Queries, ids: readonly DocumentId[]): Promise<void> {
  await queries.run(
    "update tickets set state = 'released' where id = any($1::text[]) and state = 'unwanted'",
    [ids],
  );
}
