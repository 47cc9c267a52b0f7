import { formatInstant, parseInstant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { AuditRow, ChainedRow, SignedHead } from "#shared/wire/audit-chain.ts";

const CONTENT = `a.id, to_char(a.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') as at, a.who, a.method, a.outcome,
  a.detail::text as detail`;

/** Until the transaction ends nobody else makes the chain longer; what is audited meanwhile does not wait. */
export async function lockChain(tx: Tx): Promise<void> {
  await tx.run("lock table audit_heads in share row exclusive mode");
}

/** The oldest rows that are not in the chain yet. */
export async function unchainedRows(tx: Tx, limit: number): Promise<AuditRow[]> {
  return await tx.rows<AuditRow>(
    `select ${CONTENT} from audit a where a.position is null order by a.id limit $1`,
    [limit],
  );
}

export async function chainRows(tx: Tx, rows: readonly ChainedRow[]): Promise<void> {
  await tx.run(
    `update audit a set position = c.position, hash = c.hash
     from unnest($1::bigint[], $2::bigint[], $3::bytea[]) as c (id, position, hash) where a.id = c.id`,
    [
      rows.map(({ id }) => id),
      rows.map(({ position }) => position),
      rows.map(({ hash }) => Buffer.from(hash, "hex")),
    ],
  );
}

export async function insertHead(tx: Tx, head: SignedHead): Promise<void> {
  await tx.run(
    "insert into audit_heads (position, hash, sealed, key, signature) values ($1, $2, to_timestamp($3), $4, $5)",
    [head.position, Buffer.from(head.hash, "hex"), parseInstant(head.sealed), head.key, head.signature],
  );
}

export async function latestHead(queries: Queries): Promise<SignedHead | undefined> {
  const row = await queries.row<HeadRow>(`${HEADS} order by position desc limit 1`);
  return row && headOf(row);
}

/** In the order of their places, those behind `after`. */
export async function chainHeads(queries: Queries, after: number, limit: number): Promise<SignedHead[]> {
  const rows = await queries.rows<HeadRow>(`${HEADS} where position > $1 order by position limit $2`, [
    after,
    limit,
  ]);
  return rows.map(headOf);
}

const HEADS = "select position, hash, sealed, key, signature from audit_heads";

type HeadRow = { position: number; hash: Buffer; sealed: number; key: string; signature: Buffer };

function headOf({ hash, sealed, ...row }: HeadRow): SignedHead {
  return { ...row, hash: hash.toString("hex"), sealed: formatInstant(sealed) };
}

/** A row of the audit as administrators read it: with what its principal is called here. */
export type ReadRow = ChainedRow & { readonly label: string | null };

/** Of the rows in the chain those behind `after`, in its order. */
export async function chainedRows(
  queries: Queries,
  { after, limit, who }: { readonly after: number; readonly limit: number; readonly who?: string },
): Promise<ReadRow[]> {
  const rows = await queries.rows<Omit<ReadRow, "hash"> & { hash: Buffer }>(
    `select a.position, a.hash, ${CONTENT}, (select p.label from principals p where p.name = a.who) as label
     from audit a where a.position > $1 and ($3::text is null or a.who = $3) order by a.position limit $2`,
    [after, limit, who ?? null],
  );
  return rows.map((row) => ({ ...row, hash: row.hash.toString("hex") }));
}
