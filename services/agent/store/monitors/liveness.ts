import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";
import { SILENT_SECONDS } from "../../issuing/offer.ts";

/** How often it is written down which nodes are heard. */
const SAMPLE_SECONDS = 60;

const HALF_LIFE_SECONDS = 86_400;

/**
 * Adds to every node's history whether it is heard now, for the time since this was last done; of several agents that do
 * it at once, one does. Time in which no agent looked is nobody's: after a pause, a sample only begins anew. By what
 * nodes told the agent themselves alone. Returns how many nodes it was written down of.
 */
export async function sampleLiveness(queries: Queries, now: Instant): Promise<number> {
  return await queries.run(SAMPLE, [now, SAMPLE_SECONDS, SILENT_SECONDS, HALF_LIFE_SECONDS]);
}

/** A sample after a longer time than this many turns tells nothing of the time before it. */
const SAMPLE = {
  name: "sample liveness",
  text: `
    with turn as (
      insert into turns as t (what, taken) values ('liveness', to_timestamp($1))
      on conflict (what) do update set taken = excluded.taken, before = t.taken
      where t.taken <= excluded.taken - make_interval(secs => $2) or t.taken > excluded.taken
      returning extract(epoch from taken - before)::double precision as seconds
    )
    insert into liveness as l (node, heard, watched)
    select n.node, case when n.heard >= to_timestamp($1 - $3::double precision) then seconds else 0 end, seconds
    from nodes n cross join turn
    where n.heard is not null and seconds between 1 and 2 * $2
    order by n.node
    on conflict (node) do update set
      heard = l.heard * 0.5 ^ (excluded.watched / $4) + excluded.heard,
      watched = l.watched * 0.5 ^ (excluded.watched / $4) + excluded.watched`,
};
