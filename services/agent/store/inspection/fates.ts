import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";
import type { TicketState } from "../issuing/tickets.ts";

/** What became of a ticket whose time is not over. */
export type SliceTicketFate = {
  readonly slice: string;
  readonly node: KeyName;
  readonly ip: string;
  readonly state: TicketState;
  readonly issued: Instant;
  readonly validTo: Instant;
  readonly released: Instant | null;
  readonly settled: Instant | null;
  /** Since when its node's owner wants it no more. */
  readonly withdrawn: Instant | null;
  readonly heard: Instant | null;
  readonly to: Instant;
};

/**
 * Of slices that something may be missing of: those with a lease on a node not heard since `heardSince`, with a ticket
 * that nobody redeemed, or one that is over before its time. All their tickets whose time is not over.
 */
export async function ticketFates(
  queries: Queries,
  now: Instant,
  heardSince: Instant,
  limit: number,
): Promise<SliceTicketFate[]> {
  return await queries.rows<SliceTicketFate>(
    `with suspect as (
       select t.slice from tickets t join nodes n on n.node = t.node
       where t.state in ('issued', 'redeemed') and t.counted_to > to_timestamp($1)
         and (n.heard is null or n.heard < to_timestamp($2) or (t.state = 'issued' and t.valid_to < to_timestamp($1)))
       union
       select t.slice from tickets t
       where t.state in ('ended', 'unredeemed', 'cancelled') and t.released is null and t.counted_to > to_timestamp($1)
         and exists (select from tickets s
           where s.slice = t.slice and s.state in ('issued', 'redeemed') and s.counted_to > to_timestamp($1))
     ), fate as (
       select t.* from suspect join tickets t on t.slice = suspect.slice
       where t.state in ('issued', 'redeemed') and t.counted_to > to_timestamp($1)
       union all
       select t.* from tickets t join suspect on suspect.slice = t.slice
       where t.state in ('ended', 'unredeemed', 'cancelled') and t.released is null and t.counted_to > to_timestamp($1)
     )
     select f.slice, f.node, n.ip, f.state, f.issued, f.valid_to as "validTo", f.released, f.settled, f.withdrawn, n.heard,
       f.counted_to as "to"
     from fate f join nodes n on n.node = f.node
     -- Nobody mends the slice of somebody who was revoked, unless it has members besides.
     where not exists (select from slices s join principals p on p.name = s.principal
       where s.name = f.slice and p.revoked is not null
         and not exists (select from slice_members m where m.slice = s.name and m.removed is null))
     order by f.slice, n.ip limit $3`,
    [now, heardSince, limit],
  );
}
