import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import { lockAccountsOf } from "../holdings/grants.ts";

/**
 * Keeps what is being deposited, issued or handed on for a node waiting until the transaction ends: its accounts are
 * locked, and none is opened meanwhile.
 */
export async function lockStanding(tx: Tx, node: KeyName): Promise<void> {
  await tx.rows("select from nodes where node = $1 for update", [node]);
  await lockAccountsOf(tx, node);
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

/** `perMille` undefined: the node has the agent's factor. */
export async function setOverbooking(tx: Tx, node: KeyName, perMille: number | undefined): Promise<void> {
  await tx.run("update nodes set overbooking = $2 where node = $1", [node, perMille ?? null]);
}

/** Whether anything new is given of a node, and by which factor of its own, per mille; null: by the agent's. */
export type Standing = { readonly serving: boolean; readonly overbooking: number | null };

/** Undefined: no such node was accepted. */
export async function standingOf(queries: Queries, node: KeyName): Promise<Standing | undefined> {
  return await queries.row<Standing>(
    `select n.drained is null and not p.suspended as serving, n.overbooking
     from nodes n join principals p on p.name = n.node where n.node = $1`,
    [node],
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
