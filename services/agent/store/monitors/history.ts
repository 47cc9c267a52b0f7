import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";
import { SILENT_SECONDS } from "../../issuing/offer.ts";
import { FRESH_SECONDS } from "./conditions.ts";

/** How often it is written down how nodes are. */
export const HISTORY_SECONDS = 300;

/** How far back there is anything. */
export const KEPT_SECONDS = 2 * 86_400;

/** What is older than this is kept by the half hour. */
const FINE_SECONDS = 6 * 3600;
const COARSE_SECONDS = 1800;

/** What was so, on average, from `start` to `end`. Null: not known. */
type Recorded<Key extends string, Unknown extends string> = {
  readonly start: Instant;
  readonly end: Instant;
} & Readonly<Record<Key, number>> &
  Readonly<Record<Unknown, number | null>>;

type Told = "cpuPercent" | "memoryUsedMib" | "receivedKbps" | "sentKbps";
type Counted = "heard" | "leases" | "tickets" | "cpuMillis" | "memoryMib" | "egressKbps";

export type NodeRecord = Recorded<Counted, Told | "load">;

export type FleetRecord = Recorded<
  Counted | "nodes" | "issuedHourly" | "redeemedHourly" | "endedHourly",
  Told
>;

/**
 * Writes down how every node and the whole fleet is, for the time since this was last done; of several agents that do it
 * at once, one does. Time in which no agent looked stays a gap. What is old is thinned, and forgotten after two days.
 * Returns whether it was this one that wrote.
 */
export async function recordHistory(queries: Queries, now: Instant): Promise<boolean> {
  const written = await queries.run(RECORD, [now, HISTORY_SECONDS, SILENT_SECONDS, FRESH_SECONDS]);
  if (written === 0) return false;
  for (const { thin, forget } of [NODES, FLEET]) {
    await queries.run(thin, [now, FINE_SECONDS, COARSE_SECONDS]);
    await queries.run(forget, [now, KEPT_SECONDS]);
  }
  return true;
}

/**
 * A record after a longer time than two turns tells nothing of the time before it. Nothing is joined: what is known of a
 * node here and there is put together by its name, in whatever number they are. The largest ticket of a slice on a node
 * counts, as for quotas.
 */
const RECORD = {
  name: "record history",
  text: `
    with turn as (
      insert into turns as t (what, taken) values ('history', to_timestamp($1))
      on conflict (what) do update set taken = excluded.taken, before = t.taken
      where t.taken <= excluded.taken - make_interval(secs => $2) or t.taken > excluded.taken
      returning extract(epoch from taken - before)::double precision as seconds
    ), due as (
      select seconds from turn where seconds between 1 and 2 * $2
    ), slivers as (
      select node, bool_or(state = 'redeemed') as leased, bool_or(state = 'issued') as issued,
        max(cpu_millis) as cpu, max(memory_mib) as memory, max(egress_kbps) as egress
      from tickets cross join due
      where state in ('issued', 'redeemed')
        and counted_from <= to_timestamp($1) and to_timestamp($1) < counted_to
      group by node, slice
    ), seen as (
      select node, (heard >= to_timestamp($1 - $3::double precision))::int as heard, null::bigint as leases,
        null::bigint as tickets, null::numeric as cpu, null::numeric as memory, null::numeric as egress,
        null::double precision as load, null::double precision as cpu_percent, null::bigint as memory_used_mib,
        null::double precision as received_kbps, null::double precision as sent_kbps
      from nodes where heard is not null
      union all
      select node, null, count(*) filter (where leased), count(*) filter (where issued), sum(cpu), sum(memory),
        sum(egress), null, null, null, null, null
      from slivers group by node
      union all
      select node, null, null, null, null, null, null, load, cpu_percent, memory_used_mib, received_kbps, sent_kbps
      from conditions where monitored >= to_timestamp($1 - $4::double precision)
    ), written as (
      insert into node_history (node, at, seconds, fine, heard, leases, tickets, cpu_millis, memory_mib, egress_kbps,
        load, cpu_percent, memory_used_mib, received_kbps, sent_kbps)
      select node, to_timestamp($1), round(min(due.seconds)), true, max(heard), coalesce(max(leases), 0),
        coalesce(max(tickets), 0), coalesce(max(cpu), 0), coalesce(max(memory), 0), coalesce(max(egress), 0),
        max(load), max(cpu_percent), max(memory_used_mib), max(received_kbps), max(sent_kbps)
      from seen cross join due group by node having max(heard) is not null order by node
      returning *
    )
    insert into fleet_history (at, seconds, fine, nodes, heard, leases, tickets, cpu_millis, memory_mib, egress_kbps,
      cpu_percent, memory_used_mib, received_kbps, sent_kbps, issued_hourly, redeemed_hourly, ended_hourly)
    select to_timestamp($1), round(due.seconds), true, count(w.node), coalesce(sum(heard), 0),
      coalesce(sum(leases), 0), coalesce(sum(tickets), 0), coalesce(sum(cpu_millis), 0), coalesce(sum(memory_mib), 0),
      coalesce(sum(egress_kbps), 0), avg(cpu_percent), sum(memory_used_mib), sum(received_kbps), sum(sent_kbps),
      (select count(*) from tickets where issued >= to_timestamp($1 - due.seconds) and issued < to_timestamp($1))
        * 3600 / due.seconds,
      (select count(*) from tickets where settled >= to_timestamp($1 - due.seconds) and settled < to_timestamp($1)
        and state = 'redeemed') * 3600 / due.seconds,
      (select count(*) from tickets where settled >= to_timestamp($1 - due.seconds) and settled < to_timestamp($1)
        and state <> 'redeemed') * 3600 / due.seconds
    from due left join written w on true group by due.seconds`,
};

const COUNTED = ["heard", "leases", "tickets", "cpu_millis", "memory_mib", "egress_kbps"] as const;
const TOLD = ["cpu_percent", "memory_used_mib", "received_kbps", "sent_kbps"] as const;
const HOURLY = ["issued_hourly", "redeemed_hourly", "ended_hourly"] as const;

const NODES = keeping("node_history", "node,", [...COUNTED, ...TOLD, "load"]);
const FLEET = keeping("fleet_history", "", ["nodes", ...COUNTED, ...TOLD, ...HOURLY]);

/** Keeps a table small: what is old is put together by the half hour, and what is older forgotten. */
function keeping(table: string, by: string, columns: readonly string[]) {
  return {
    thin: {
      name: `thin ${table}`,
      text: `
        with bound as (
          select date_bin(make_interval(secs => $3), to_timestamp($1 - $2::double precision), 'epoch') as at
        ), old as (
          delete from ${table} h using bound where h.fine and h.at <= bound.at returning h.*
        )
        insert into ${table} (${by} at, seconds, fine, ${columns})
        select ${by} max(at), sum(seconds), false, ${columns.map((column) => `avg(${column})`)}
        from old
        group by ${by} date_bin(make_interval(secs => $3), at - interval '1 microsecond', 'epoch')`,
    },
    forget: {
      name: `forget ${table}`,
      text: `delete from ${table} where at <= to_timestamp($1 - $2::double precision)`,
    },
  };
}

const COLUMNS = `extract(epoch from at)::double precision - seconds as start, at as end, heard, leases, tickets,
  cpu_millis as "cpuMillis", memory_mib as "memoryMib", egress_kbps as "egressKbps", cpu_percent as "cpuPercent",
  memory_used_mib as "memoryUsedMib", received_kbps as "receivedKbps", sent_kbps as "sentKbps"`;

/** How a node was, the oldest first. */
export async function nodeHistory(queries: Queries, node: KeyName, since: Instant): Promise<NodeRecord[]> {
  return await queries.rows<NodeRecord>(
    `select ${COLUMNS}, load from node_history where node = $1 and at > to_timestamp($2) order by at`,
    [node, since],
  );
}

/** How all nodes were together. */
export async function fleetHistory(queries: Queries, since: Instant): Promise<FleetRecord[]> {
  return await queries.rows<FleetRecord>(
    `select ${COLUMNS}, nodes, issued_hourly as "issuedHourly", redeemed_hourly as "redeemedHourly",
       ended_hourly as "endedHourly"
     from fleet_history where at > to_timestamp($1) order by at`,
    [since],
  );
}
