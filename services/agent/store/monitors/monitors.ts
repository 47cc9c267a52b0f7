import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";

/** How polls of one monitor went, whichever agent of this database made them. */
export type MonitorRecord = {
  /** "HOST:PORT". */
  readonly name: string;
  readonly answered: number;
  readonly failed: number;
  readonly lastAnswer: Instant | null;
  /** Of the last answer: hosts told of, and nodes of this agent among them. */
  readonly hosts: number | null;
  readonly nodes: number | null;
  readonly lastFailure: Instant | null;
  readonly failure: string | null;
};

/** The records of these monitors, in their order; of one that was not polled yet, that there is nothing to tell. */
export async function monitorRecords(queries: Queries, names: readonly string[]): Promise<MonitorRecord[]> {
  return await queries.rows<MonitorRecord>(
    `select t.name, coalesce(answered, 0) as answered, coalesce(failed, 0) as failed, last_answer as "lastAnswer",
       hosts, nodes, last_failure as "lastFailure", failure
     from unnest($1::text[]) with ordinality as t (name, place) left join monitors m on m.name = t.name order by place`,
    [names],
  );
}

export async function recordAnswer(
  queries: Queries,
  name: string,
  { hosts, nodes }: { readonly hosts: number; readonly nodes: number },
  now: Instant,
): Promise<void> {
  await queries.run(
    `insert into monitors as m (name, answered, last_answer, hosts, nodes) values ($1, 1, to_timestamp($2), $3, $4)
     on conflict (name) do update set answered = m.answered + 1, last_answer = excluded.last_answer,
       hosts = excluded.hosts, nodes = excluded.nodes`,
    [name, now, hosts, nodes],
  );
}

export async function recordFailure(
  queries: Queries,
  name: string,
  failure: string,
  now: Instant,
): Promise<void> {
  await queries.run(
    `insert into monitors as m (name, failed, last_failure, failure) values ($1, 1, to_timestamp($2), $3)
     on conflict (name) do update set failed = m.failed + 1, last_failure = excluded.last_failure,
       failure = excluded.failure`,
    [name, now, failure],
  );
}
