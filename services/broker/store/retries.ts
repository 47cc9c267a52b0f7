import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";

/** How long is waited between tries, in seconds: twice as long each time. */
export type Waits = { readonly first: number; readonly longest: number };

/**
 * Notes that something failed: it is tried again, ever later, by the database's time, since those who share the work
 * share nothing else. `over`: after that nobody tries it, and it is forgotten.
 */
export async function noteFailure(
  queries: Queries,
  what: string,
  reason: string,
  { first, longest }: Waits,
  over: Instant,
): Promise<void> {
  await queries.run(
    `insert into retries as r (what, failures, next_try, reason, over)
     values ($1, 1, now() + make_interval(secs => $2), $4, to_timestamp($5))
     on conflict (what) do update set failures = r.failures + 1, reason = excluded.reason,
       over = greatest(r.over, excluded.over),
       next_try = now() + make_interval(secs => least($3, $2 * power(2, least(r.failures, 30))))`,
    [what, first, longest, reason, over],
  );
}

/** What failed has been done: the next failure is a first one again. */
export async function forgetFailures(queries: Queries, what: string): Promise<void> {
  await queries.run("delete from retries where what = $1", [what]);
}

/** Whether something is to be tried now: it never failed, or long enough ago. */
export async function isDue(queries: Queries, what: string): Promise<boolean> {
  const waiting = await queries.row("select from retries where what = $1 and next_try > now()", [what]);
  return waiting === undefined;
}

/** How often something failed in a row, and why last. */
export async function failuresOf(
  queries: Queries,
  what: string,
): Promise<{ readonly failures: number; readonly reason: string } | undefined> {
  return await queries.row("select failures, reason from retries where what = $1", [what]);
}

/** Forgets what nobody tries any more. */
export async function pruneFailures(queries: Queries, before: Instant): Promise<void> {
  await queries.run("delete from retries where over < to_timestamp($1)", [before]);
}
