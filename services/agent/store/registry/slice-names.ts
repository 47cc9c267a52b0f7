import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";

/** The name of a slice and whose it is. */
export type SliceName = {
  readonly name: string;
  readonly owner: KeyName;
  /** What its owner is called here. */
  readonly label: string;
  readonly since: Instant;
  /** On how many nodes it has tickets that count. */
  readonly nodes: number;
};

/** In the order of their names, those behind `after`. */
export async function sliceNames(
  queries: Queries,
  after: string,
  limit: number,
  now: Instant,
): Promise<SliceName[]> {
  return await queries.rows<SliceName>(
    `select s.name, s.principal as owner, p.label, s.since,
       (select count(distinct t.node) from tickets t
        where t.slice = s.name and t.state in ('issued', 'redeemed') and t.counted_to > to_timestamp($3)) as nodes
     from slices s join principals p on p.name = s.principal
     where s.name > $1 order by s.name limit $2`,
    [after, limit, now],
  );
}

/** Waits for tickets that are being issued for it. False: there is no such name. */
export async function transferName(tx: Tx, slice: string, to: KeyName): Promise<boolean> {
  return (await tx.run("update slices set principal = $2 where name = $1", [slice, to])) === 1;
}
