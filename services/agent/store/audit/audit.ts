import type { KeyName } from "#shared/identity/key.ts";
import type { Queries } from "#shared/runtime/database.ts";

/** Who did what and what came of it, for whoever has to find out later. */
export type AuditEntry = {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** A key, or whoever works on the agent's own machine. */
  readonly who: KeyName | "operator";
  /** The method called, or the operator's command. */
  readonly method: string;
  /** "ok", or the name of the fault. */
  readonly outcome: string;
  readonly detail?: Readonly<Record<string, unknown>>;
};

/** Written in the transaction of what it tells of, or by itself for a refusal: before anything is answered (I7). */
export async function writeAudit(tx: Queries, entry: AuditEntry): Promise<void> {
  await tx.run(
    {
      name: "write audit",
      text: "insert into audit (at, who, method, outcome, detail) values (to_timestamp($1), $2, $3, $4, $5)",
    },
    [entry.at / 1000, entry.who, entry.method, entry.outcome, JSON.stringify(entry.detail ?? {})],
  );
}

/** The same for a caller who may be a stranger. False: it is one, and nothing was written. */
export async function auditPrincipal(queries: Queries, entry: AuditEntry): Promise<boolean> {
  const written = await queries.run(
    {
      name: "audit principal",
      text: `insert into audit (at, who, method, outcome, detail)
        select to_timestamp($1), name, $3, $4, $5 from principals where name = $2`,
    },
    [entry.at / 1000, entry.who, entry.method, entry.outcome, JSON.stringify(entry.detail ?? {})],
  );
  return written === 1;
}

/** The greatest time anything was written at, in milliseconds: time does not run below it. */
export async function latestAudit(queries: Queries): Promise<number> {
  const row = await queries.row<{ at: number }>("select at from audit order by id desc limit 1");
  return (row?.at ?? 0) * 1000;
}

/** Refusals of callers nobody knows, counted by method and fault since they were last written. */
export type StrangerRefusals = ReadonlyMap<string, { method: string; outcome: string; times: number }>;

export async function addStrangerRefusals(
  tx: Queries,
  refusals: StrangerRefusals,
  at: number,
): Promise<void> {
  const counts = [...refusals.values()];
  await tx.run(
    `insert into stranger_refusals (day, method, outcome, times)
     select (to_timestamp($1) at time zone 'UTC')::date, * from unnest($2::text[], $3::text[], $4::bigint[])
     on conflict (day, method, outcome) do update set times = stranger_refusals.times + excluded.times`,
    [at / 1000, counts.map((c) => c.method), counts.map((c) => c.outcome), counts.map((c) => c.times)],
  );
}
