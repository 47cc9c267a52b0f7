import type { KeyName } from "#shared/identity/key.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Tx } from "#shared/runtime/database.ts";

/** The latest list of its own that a node gave, and what tells it from others. */
export type NodeList = { readonly id: DocumentId; readonly number: number };

/** Locks what there is of a node's lists, and gives the latest. */
export async function lockNodeList(tx: Tx, node: KeyName): Promise<NodeList | undefined> {
  return await tx.row<NodeList>("select id, number from node_lists where node = $1 for update", [node]);
}

export async function saveNodeList(
  tx: Tx,
  list: NodeList & { readonly node: KeyName; readonly document: string },
  now: Instant,
): Promise<void> {
  await tx.run(
    `insert into node_lists (node, id, number, document, received) values ($1, $2, $3, $4, to_timestamp($5))
     on conflict (node) do update set id = excluded.id, number = excluded.number, document = excluded.document,
       received = excluded.received`,
    [list.node, list.id, list.number, list.document, now],
  );
}

/** Tickets for this node whose leases its owner ended. How many that was not known of. */
export async function markWithdrawn(
  tx: Tx,
  node: KeyName,
  withdrawn: readonly { readonly ticket: DocumentId; readonly since: Instant }[],
): Promise<number> {
  return await tx.run(
    `update tickets t set withdrawn = to_timestamp(w.since)
     from unnest($2::text[], $3::double precision[]) as w (id, since)
     where t.id = w.id and t.node = $1 and t.withdrawn is null`,
    [node, withdrawn.map(({ ticket }) => ticket), withdrawn.map(({ since }) => since)],
  );
}
