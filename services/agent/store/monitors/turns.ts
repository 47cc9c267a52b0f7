import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";

/**
 * Takes the turns, of those named, that are due: the last was so many seconds ago, or is of a time still to come, since
 * somebody set a clock. Of several agents that ask at once, one gets each.
 */
export async function takeTurns(
  queries: Queries,
  names: readonly string[],
  everySeconds: number,
  now: Instant,
): Promise<string[]> {
  const rows = await queries.rows<{ what: string }>(TAKE_TURNS, [names, now, everySeconds]);
  return rows.map(({ what }) => what);
}

const TAKE_TURNS = {
  name: "take turns",
  text: `
    insert into turns as t (what, taken)
    select what, to_timestamp($2) from unnest($1::text[]) as what order by what
    on conflict (what) do update set taken = excluded.taken, before = t.taken
    where t.taken <= excluded.taken - make_interval(secs => $3) or t.taken > excluded.taken
    returning what`,
};
