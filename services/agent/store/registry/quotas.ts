import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { Order } from "../../issuing/order.ts";
import type { Excess, Limit, Limits } from "../../registry/limits.ts";

/** Whose a quota is, once names are looked up. */
export type QuotaOf = { readonly principal: KeyName } | { readonly site: string };

/** A quota as it is listed: with what its principal is called here. */
export type Quota = { readonly principal?: string; readonly site?: string; readonly limits: Limits };

/** Columns of `quotas` behind "max_", which `quota_excess` also calls what it finds. */
const COLUMN_OF = {
  slices: "slices",
  nodes: "nodes",
  leaseSeconds: "lease_seconds",
  slivers: "slivers",
  cpuMillis: "cpu_millis",
  memoryMib: "memory_mib",
  diskMib: "disk_mib",
  egressKbps: "egress_kbps",
} as const satisfies Record<Limit, string>;

const LIMITS = Object.keys(COLUMN_OF) as Limit[];
const COLUMNS = LIMITS.map((limit) => `max_${COLUMN_OF[limit]}`);

/** Locks the principals a quota is about, so that nobody issues for them meanwhile. False: there is no such site. */
export async function lockMembers(tx: Tx, of: QuotaOf): Promise<boolean> {
  if ("principal" in of) {
    await tx.row("select from principals where name = $1 for update", [of.principal]);
    return true;
  }
  // Nobody is added to the site from here on.
  const site = await tx.row("select from sites where name = $1 for update", [of.site]);
  await tx.rows("select from principals where site = $1 and role <> 'node' order by name for update", [
    of.site,
  ]);
  return site !== undefined;
}

export async function upsertQuota(tx: Tx, of: QuotaOf, limits: Limits): Promise<void> {
  const [column, value] = keyOf(of);
  const places = COLUMNS.map((_, at) => `$${at + 2}`).join(", ");
  await tx.run(
    `insert into quotas (${column}, ${COLUMNS.join(", ")}) values ($1, ${places})
     on conflict (${column}) do update set ${COLUMNS.map((name) => `${name} = excluded.${name}`).join(", ")}`,
    [value, ...LIMITS.map((limit) => limits[limit] ?? null)],
  );
}

/** False: there is none. */
export async function deleteQuota(tx: Tx, of: QuotaOf): Promise<boolean> {
  const [column, value] = keyOf(of);
  return (await tx.run(`delete from quotas where ${column} = $1`, [value])) === 1;
}

function keyOf(of: QuotaOf): ["principal" | "site", string] {
  return "site" in of ? ["site", of.site] : ["principal", of.principal];
}

export async function allQuotas(queries: Queries): Promise<Quota[]> {
  type Row = { label: string | null; site: string | null } & Record<string, number | string | null>;
  const rows = await queries.rows<Row>(
    `select p.label, q.site, ${COLUMNS.map((name) => `q.${name}`).join(", ")}
     from quotas q left join principals p on p.name = q.principal order by q.site nulls last, p.label`,
  );
  return rows.map((row) => ({
    principal: row.label ?? undefined,
    site: row.site ?? undefined,
    limits: Object.fromEntries(
      LIMITS.filter((limit) => row[`max_${COLUMN_OF[limit]}`] !== null).map((limit) => [
        limit,
        row[`max_${COLUMN_OF[limit]}`],
      ]),
    ),
  }));
}

/** The first quota that tickets for an order on these nodes would go beyond. Checked again when they are issued. */
export async function quotaExcess(
  queries: Queries,
  principal: KeyName,
  order: Order,
  nodes: readonly KeyName[],
  now: Instant,
): Promise<Excess | undefined> {
  const { cpuMillis, memoryMib, diskMib, egressKbps } = order.resources;
  const [row] = await queries.rows<{ of_site: string | null; what: string; most: number; would: number }>(
    QUOTA_EXCESS,
    [principal, order.slice, nodes, order.leaseSeconds, now, cpuMillis, memoryMib, diskMib, egressKbps],
  );
  if (!row) return undefined;
  const what = LIMITS.find((limit) => COLUMN_OF[limit] === row.what)!;
  return { site: row.of_site ?? undefined, what, most: row.most, would: row.would };
}

const QUOTA_EXCESS = {
  name: "quota excess",
  text: "select * from quota_excess($1, $2, $3, $4, to_timestamp($5), $6, $7, $8, $9)",
};
