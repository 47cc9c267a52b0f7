import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { Ask, AskedNode } from "../acquisition/ask.ts";

/** A node as it was asked for, and where it stands in what its acquisition prefers: the lower, the rather. */
export type PlacedNode = AskedNode & { readonly place: number };

export type PlacedAsk = Omit<Ask, "nodes"> & { readonly nodes: readonly PlacedNode[] };

/** How an ask stands: `doubtful` is `open` for an acquisition that goes on without it. */
export type AskState = "open" | "doubtful" | "granted" | "refused";

export type StoredAsk = PlacedAsk & {
  readonly acquisition: DocumentId;
  readonly number: number;
  readonly state: AskState;
};

const COLUMNS = `request_id as "requestId", acquisition, number, agent, count, atleast,
  lease_seconds as "leaseSeconds", nodes, state`;

/** Writes asks down, numbered on from those there are. Gives them their request ids. */
export async function insertAsks(
  tx: Tx,
  acquisition: DocumentId,
  drafts: readonly Omit<PlacedAsk, "requestId">[],
  now: Instant,
): Promise<PlacedAsk[]> {
  const row = await tx.row<{ made: number }>("select count(*) as made from asks where acquisition = $1", [
    acquisition,
  ]);
  const asks = drafts.map((draft, at) => {
    const number = (row?.made ?? 0) + at + 1;
    return { ...draft, number, requestId: `${acquisition.slice(0, REQUEST_ID_DIGITS)}-${number}` };
  });
  for (const { requestId, number, agent, count, atleast, leaseSeconds, nodes } of asks) {
    await tx.run(
      `insert into asks (request_id, acquisition, number, agent, count, atleast, lease_seconds, nodes, made)
       values ($1, $2, $3, $4, $5, $6, $7, $8, to_timestamp($9))`,
      [requestId, acquisition, number, agent, count, atleast, leaseSeconds, JSON.stringify(nodes), now],
    );
  }
  return asks.map(({ number: _, ...ask }) => ask);
}

/** Of an acquisition's id, in a request id of at most 64 characters. */
const REQUEST_ID_DIGITS = 48;

export async function asksOf(queries: Queries, acquisition: DocumentId): Promise<StoredAsk[]> {
  return await queries.rows<StoredAsk>(`select ${COLUMNS} from asks where acquisition = $1 order by number`, [
    acquisition,
  ]);
}

/** Books what became of an ask that was open until now; whether it was. */
export async function settleAsk(
  queries: Queries,
  { requestId }: Pick<Ask, "requestId">,
  state: Exclude<AskState, "open">,
): Promise<boolean> {
  const changed = await queries.run(
    "update asks set state = $2 where request_id = $1 and state in ('open', 'doubtful')",
    [requestId, state],
  );
  return changed === 1;
}

/**
 * Asks whose acquisition is over or went on without them, of which nobody knows what came and that are to be made again
 * now, the oldest first.
 */
export async function unsettledAsks(queries: Queries, limit: number): Promise<StoredAsk[]> {
  return await queries.rows<StoredAsk>(
    `select ${COLUMNS} from asks
     where (state = 'doubtful'
         or state = 'open' and acquisition in (select id from acquisitions where state <> 'working'))
       and not exists (select from retries where what = request_id and next_try > now())
     order by made, request_id limit $1`,
    [limit],
  );
}
