import type { KeyName } from "#shared/identity/key.ts";
import type { Holding } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { Link } from "#shared/wire/chain.ts";
import { lineageOf } from "#shared/wire/document.ts";
import { portSet } from "../columns/port-set.ts";

/** Makes deposits for a node come one after the other until the transaction ends. */
export async function lockNodes(tx: Tx, nodes: readonly KeyName[]): Promise<void> {
  await tx.run("select from nodes where node = any($1::text[]) order by node for update", [nodes]);
}

/** A holding in the books, as far as it decides which account another one belongs to. */
export type KnownHolding = {
  readonly id: string;
  readonly account: number;
  readonly node: KeyName;
  readonly issuer: KeyName;
  readonly principal: KeyName;
  readonly replaces: string | null;
};

/** The holding itself, the one it replaces, those that replace it or the same, and its node's roots to this agent. */
export async function relatedHoldings(tx: Tx, holding: Link<Holding>): Promise<KnownHolding[]> {
  return await tx.rows<KnownHolding>(
    `select id, account, node, issuer, principal, replaces from holdings
     where id = $1 or id = $2 or replaces in ($1, $2) or (node = $3 and issuer = node)`,
    [holding.id, holding.ticket.replaces ?? null, holding.ticket.node],
  );
}

/** How many roots of a node have not ended, or how many holdings that others split from them. */
export async function countHoldings(
  tx: Tx,
  node: KeyName,
  which: "roots" | "split",
  now: Instant,
): Promise<number> {
  const row = await tx.row<{ count: number }>(
    "select count(*) from holdings where node = $1 and (issuer = node) = $2 and term_end > to_timestamp($3)",
    [node, which === "roots", now],
  );
  return row?.count ?? 0;
}

/** A holding that is valid now, with the documents of its chain, root first and itself last, and its node's key. */
export type SplittableHolding = {
  readonly id: string;
  readonly lineage: readonly string[];
  /** SubjectPublicKeyInfo. */
  readonly nodeKey: Buffer;
  readonly account: number;
  readonly principal: KeyName;
};

/** The holdings on a node that can be split now, those that last longest first, and of these the ones that may more. */
export async function splittableHoldings(
  queries: Queries,
  node: KeyName,
  now: Instant,
): Promise<SplittableHolding[]> {
  return await queries.rows<SplittableHolding>(
    `select h.id, h.lineage, p.public_key as "nodeKey", h.account, h.principal
     from holdings h join principals p on p.name = h.node
     where h.node = $1 and not p.suspended and not exists (
         select from nodes n where n.node = h.node and n.drained is not null)
       and h.valid_from <= to_timestamp($2) and to_timestamp($2) < h.valid_to
       and h.term_start <= to_timestamp($2) and to_timestamp($2) < h.term_end
     order by h.term_end desc, h.splits desc, h.id`,
    [node, now],
  );
}

export async function openAccount(tx: Tx, node: KeyName): Promise<number> {
  const row = await tx.row<{ id: number }>("insert into accounts (node) values ($1) returning id", [node]);
  return row!.id;
}

/** Makes several accounts one, when a holding turns out to connect them. What was charged to any is charged to it. */
export async function mergeAccounts(tx: Tx, into: number, others: readonly number[]): Promise<void> {
  await tx.run("select from accounts where id = any($1::bigint[]) order by id for update", [
    [into, ...others],
  ]);
  await tx.run("update holdings set account = $1 where account = any($2::bigint[])", [into, others]);
  await tx.run("update tickets set account = $1 where account = any($2::bigint[])", [into, others]);
  await tx.run("update grant_charges set account = $1 where account = any($2::bigint[])", [into, others]);
  await tx.run("delete from accounts where id = any($1::bigint[])", [others]);
}

export async function insertHolding(
  tx: Tx,
  link: Link<Holding>,
  account: number,
  now: Instant,
): Promise<void> {
  const { ticket: holding } = link;
  await tx.run(INSERT, [
    link.id,
    account,
    holding.node,
    holding.principal,
    holding.issuer,
    holding.replaces ?? null,
    holding.splits,
    holding.slicePrefix ?? null,
    holding.validity.start,
    holding.validity.end,
    holding.term.start,
    holding.term.end,
    holding.resources.cpuMillis,
    holding.resources.memoryMib,
    holding.resources.diskMib,
    holding.resources.egressKbps,
    holding.resources.slivers,
    holding.ceilings.cpuMillis ?? null,
    holding.ceilings.egressKbps ?? null,
    holding.engine ?? null,
    holding.image ?? null,
    portSet(holding.ports, "tcp"),
    portSet(holding.ports, "udp"),
    holding.administrative ?? [],
    JSON.stringify(lineageOf(link.document)),
    now,
  ]);
}

const INSERT = `
  insert into holdings (id, account, node, principal, issuer, replaces, splits, slice_prefix, valid_from, valid_to,
    term_start, term_end, cpu_millis, memory_mib, disk_mib, egress_kbps, slivers, ceiling_cpu_millis,
    ceiling_egress_kbps, engine, image, tcp_ports, udp_ports, capabilities, lineage, deposited)
  values ($1, $2, $3, $4, $5, $6, $7, $8, to_timestamp($9), to_timestamp($10), to_timestamp($11), to_timestamp($12),
    $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, to_timestamp($26))`;
