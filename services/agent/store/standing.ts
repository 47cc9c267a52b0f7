import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Tx } from "#shared/runtime/database.ts";

/** Keeps what is being issued for a node waiting until the transaction ends. */
export async function lockAccounts(tx: Tx, node: KeyName): Promise<void> {
  await tx.rows("select from accounts where node = $1 order by id for update", [node]);
}

/** A node that was drained before it is retired keeps that time. */
export async function setStanding(
  tx: Tx,
  node: KeyName,
  standing: "serving" | "drained" | "retired",
  now: Instant,
): Promise<void> {
  await tx.run(
    `update nodes set
       drained = case when $2 <> 'serving' then coalesce(drained, to_timestamp($3)) end,
       retired = case when $2 = 'retired' then coalesce(retired, to_timestamp($3)) end
     where node = $1`,
    [node, standing, now],
  );
}

/** How many tickets and grants count on a node, now or later. */
export async function countedOn(tx: Tx, node: KeyName, now: Instant): Promise<number> {
  const row = await tx.row<{ count: number }>(
    "select count(*) from charges where node = $1 and counted_to > to_timestamp($2)",
    [node, now],
  );
  return row!.count;
}
