import type { KeyName } from "#shared/identity/key.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { Doubt } from "../issuing/tickets.ts";

/** What ends of what was handed on: by its giver, by whoever has it, by its node's word, or by time. */

/** From now on every grant of a line is to be closed. How many that is news of. */
export async function markClosing(tx: Tx, line: DocumentId): Promise<number> {
  return await tx.run("update grants set state = 'closing' where line = $1 and state = 'granted'", [line]);
}

/** The lines of those of some holdings that are grants on a node, and have not been closed. */
export async function linesOf(tx: Tx, node: KeyName, ids: readonly DocumentId[]): Promise<DocumentId[]> {
  const rows = await tx.rows<{ line: DocumentId }>(
    "select distinct line from grants where node = $1 and id = any($2::text[]) and state = 'granted' order by line",
    [node, ids],
  );
  return rows.map(({ line }) => line);
}

/** Grants that are being closed, by node, at most `limit` of each, wherever the node can be asked. */
export async function closingGrants(queries: Queries, limit: number): Promise<Doubt[]> {
  return await queries.rows<Doubt>(
    `select n.node, n.ip, n.sslport, p.public_key as "publicKey",
       (array_agg(g.id order by g.granted, g.id))[1:$1] as tickets
     from grants g join nodes n on n.node = g.node join principals p on p.name = n.node
     where g.state = 'closing' and n.sslport is not null
     group by n.node, p.name order by n.node`,
    [limit],
  );
}

/**
 * Writes what a node said of a grant it closed: so many leases live beneath it. With none it is over, and when all of
 * its line are, nothing of the line is charged any more.
 */
export async function markClosed(tx: Tx, node: KeyName, id: DocumentId, beneath: number): Promise<void> {
  await tx.run(
    `update grants set beneath = $3, state = case when $3::bigint = 0 then 'closed' else state end
     where id = $1 and node = $2 and state = 'closing'`,
    [id, node, beneath],
  );
  await tx.run(
    `delete from grant_charges c using grants g
     where g.id = $1 and g.node = $2 and c.line = g.line
       and not exists (select from grants o where o.line = g.line and o.state in ('granted', 'closing'))`,
    [id, node],
  );
}

/** Ends grants whose term is over, and takes back what was charged for time that is over. */
export async function lapseGrants(tx: Tx, before: Instant): Promise<void> {
  await tx.run(
    "update grants set state = 'ended' where state in ('granted', 'closing') and term_end < to_timestamp($1)",
    [before],
  );
  await tx.run("delete from grant_charges where counted_to < to_timestamp($1)", [before]);
}
