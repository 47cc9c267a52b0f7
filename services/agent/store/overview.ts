import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";

/** A slice as anybody may see it: where it is, not whose it is. */
export type SliceOverview = {
  readonly slice: string;
  readonly nodes: number;
  /** Tickets that are still to be redeemed, and leases. */
  readonly issued: number;
  readonly redeemed: number;
  readonly until: Instant;
};

/** Slices with tickets that count now or later, by name. */
export async function slicesOverview(
  queries: Queries,
  now: Instant,
  limit: number,
): Promise<SliceOverview[]> {
  return await queries.rows<SliceOverview>(
    `select slice, count(distinct node) as nodes, count(*) filter (where state = 'issued') as issued,
       count(*) filter (where state = 'redeemed') as redeemed, max(counted_to) as until
     from tickets where state in ('issued', 'redeemed') and counted_to > to_timestamp($1)
     group by slice order by slice limit $2`,
    [now, limit],
  );
}

/** How many nodes this agent knows, by whether they are heard. */
export type NodesOverview = {
  readonly heard: number;
  readonly silent: number;
  readonly suspended: number;
};

/** Heard: from `since` on. */
export async function nodesOverview(queries: Queries, since: Instant): Promise<NodesOverview> {
  const row = await queries.row<NodesOverview>(
    `select count(*) filter (where p.suspended) as suspended,
       count(*) filter (where not p.suspended and n.heard >= to_timestamp($1)) as heard,
       count(*) filter (where not p.suspended and (n.heard < to_timestamp($1) or n.heard is null)) as silent
     from nodes n join principals p on p.name = n.node`,
    [since],
  );
  return row!;
}
