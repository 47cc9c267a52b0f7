import type { KeyName } from "#shared/identity/key.ts";
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
  /** When it ends for good on the first of its nodes, without new tickets, and on how many it does within the hour. */
  readonly soonest: Instant;
  readonly ending: number;
};

/** What ends so soon and can't be renewed needs new tickets now. */
export const ENDING_SECONDS = 3600;

/** Slices with tickets that count now or later, by name: all, or those whose names are one principal's. */
export async function slicesOverview(
  queries: Queries,
  now: Instant,
  limit: number,
  owner?: KeyName,
): Promise<SliceOverview[]> {
  const names = owner === undefined ? "" : "and slice in (select name from slices where principal = $3)";
  return await queries.rows<SliceOverview>(
    `with part as (
       select slice, node, count(*) filter (where state = 'issued') as issued,
         count(*) filter (where state = 'redeemed') as redeemed, max(counted_to) as until
       from tickets where state in ('issued', 'redeemed') and counted_to > to_timestamp($1) ${names}
       group by slice, node
     )
     select slice, count(*) as nodes, sum(issued)::bigint as issued, sum(redeemed)::bigint as redeemed,
       max(until) as until, min(until) as soonest,
       count(*) filter (where until < to_timestamp($1) + make_interval(secs => ${ENDING_SECONDS})) as ending
     from part group by slice order by slice limit $2`,
    owner === undefined ? [now, limit] : [now, limit, owner],
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

/** A ticket that is still to be redeemed or was, where it is. */
export type SliverOverview = {
  readonly slice: string;
  readonly node: KeyName;
  readonly ip: string;
  readonly site: string | null;
  readonly state: "issued" | "redeemed";
  readonly from: Instant;
  readonly until: Instant;
  /** What the agent is called that handed the node on to this one; null: it holds it of the node itself. */
  readonly through: string | null;
};

const OF = {
  slice: "t.slice = $2",
  node: "t.account in (select a.id from accounts a where a.node = $2)",
  holding: "t.holding = $2 and t.account = (select account from holdings where id = $2)",
} as const;

/** What counts now or later of a slice, or on a node. */
export async function sliversOverview(
  queries: Queries,
  now: Instant,
  of: { readonly kind: keyof typeof OF; readonly name: string },
  limit: number,
): Promise<SliverOverview[]> {
  return await queries.rows<SliverOverview>(
    `select t.slice, t.node, n.ip, p.site, t.state, t.counted_from as "from", t.counted_to as until,
       coalesce(via.label, k.agent) as through
     from tickets t join nodes n on n.node = t.node join principals p on p.name = n.node
       join holdings h on h.id = t.holding left join agent_keys k on k.ticket_key = h.issuer
       left join principals via on via.name = k.agent
     where t.state in ('issued', 'redeemed') and t.counted_to > to_timestamp($1) and ${OF[of.kind]}
     order by t.slice, n.ip::inet, t.counted_from limit $3`,
    [now, of.name, limit],
  );
}

/** How many nodes an agent knows, has not suspended, and holds nothing of. */
export async function countIdleNodes(queries: Queries, now: Instant): Promise<number> {
  const row = await queries.row<{ idle: number }>(
    `select count(*) as idle from nodes n join principals p on p.name = n.node
     where not p.suspended and not exists (
       select from holdings h
       where h.node = n.node and h.valid_from <= to_timestamp($1) and to_timestamp($1) < h.valid_to
         and h.term_start <= to_timestamp($1) and to_timestamp($1) < h.term_end)`,
    [now],
  );
  return row!.idle;
}
