import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";

/** A load measured longer ago is no load of now. */
export const FRESH_SECONDS = 90;

/** What a monitor tells of one host, and which node it says that is. Nobody vouches for any of it. */
export type Condition = {
  /** The node's key, where the host names one; else it is the node at `ip`. */
  readonly node?: KeyName;
  readonly ip: string;
  /** When the monitor last heard from it. */
  readonly monitored: Instant;
  /** Processes that want a processor, over a minute, and when they were counted. */
  readonly load?: number;
  readonly measured?: Instant;
  readonly cpus?: number;
  readonly memoryAvailableMib?: number;
  readonly memoryUsedMib?: number;
  /** Of all processors, how much is in use. */
  readonly cpuPercent?: number;
  /** What its network takes in and gives out. */
  readonly receivedKbps?: number;
  readonly sentKbps?: number;
  readonly booted?: Instant;
  /** When its node manager last gave a sign of life. */
  readonly manager?: Instant;
};

/** Which poll of which monitor. */
export type PollName = { readonly monitor: string; readonly polled: Instant };

/**
 * Writes down what a poll found; hosts that are no node of this agent are passed over. Where several tell of one node,
 * the higher load counts, until it is old or the monitor that told it tells otherwise in a later poll: so one that lies
 * makes a node look worse and never better. Returns how many nodes were told of.
 */
export async function saveConditions(
  queries: Queries,
  { monitor, polled }: PollName,
  found: readonly Condition[],
  now: Instant,
): Promise<number> {
  const row = await queries.row<{ nodes: number }>(SAVE, [
    ...[monitor, polled, now - FRESH_SECONDS],
    found.map((one) => one.node ?? null),
    found.map((one) => one.ip),
    found.map((one) => one.monitored),
    found.map((one) => one.load ?? null),
    found.map((one) => (one.load === undefined ? null : one.measured)),
    found.map((one) => one.cpus ?? null),
    found.map((one) => one.memoryAvailableMib ?? null),
    found.map((one) => one.booted ?? null),
    found.map((one) => one.manager ?? null),
    found.map((one) => one.cpuPercent ?? null),
    found.map((one) => one.memoryUsedMib ?? null),
    found.map((one) => one.receivedKbps ?? null),
    found.map((one) => one.sentKbps ?? null),
  ]);
  return row?.nodes ?? 0;
}

const SAVE = {
  name: "save conditions",
  text: `
    with found as (
      select distinct on (n.node) n.node, max(t.monitored) over (partition by n.node) as monitored,
        t.load, t.measured, t.cpus, t.memory, t.booted, t.manager, t.cpu, t.used, t.received, t.sent
      from unnest($4::text[], $5::text[], $6::double precision[], $7::double precision[], $8::double precision[],
          $9::int[], $10::bigint[], $11::double precision[], $12::double precision[], $13::double precision[],
          $14::bigint[], $15::double precision[], $16::double precision[])
        as t (node, ip, monitored, load, measured, cpus, memory, booted, manager, cpu, used, received, sent)
      join lateral (
        select n.node from nodes n where n.node = t.node
        union all select n.node from nodes n where t.node is null and n.ip = t.ip
      ) as n on true
      order by n.node, t.load desc nulls last, t.cpus, t.manager
    ), saved as (
      insert into conditions as c (node, monitored, monitor, polled, load, measured, cpus, memory_available_mib,
        booted, manager, cpu_percent, memory_used_mib, received_kbps, sent_kbps)
      select node, to_timestamp(monitored), $1, to_timestamp($2), load, to_timestamp(measured), cpus, memory,
        to_timestamp(booted), to_timestamp(manager), cpu, used, received, sent
      from found order by node
      on conflict (node) do update set
        monitored = greatest(c.monitored, excluded.monitored), monitor = excluded.monitor, polled = excluded.polled,
        load = excluded.load, measured = excluded.measured, cpus = excluded.cpus,
        memory_available_mib = excluded.memory_available_mib, booted = excluded.booted, manager = excluded.manager,
        cpu_percent = excluded.cpu_percent, memory_used_mib = excluded.memory_used_mib,
        received_kbps = excluded.received_kbps, sent_kbps = excluded.sent_kbps
      where c.load is null or c.measured < to_timestamp($3) or excluded.load > c.load
        or (c.monitor = excluded.monitor and c.polled <> excluded.polled)
    )
    select count(*)::int as nodes from found`,
};

/** What is known of a node beside what is advertised of it. */
export type KnownCondition = {
  readonly node: KeyName;
  readonly memoryAvailableMib: number | null;
  readonly booted: Instant | null;
  readonly manager: Instant | null;
};

/** Of nodes that monitors told of since `since`. */
export async function knownConditions(
  queries: Queries,
  nodes: readonly KeyName[],
  since: Instant,
): Promise<KnownCondition[]> {
  return await queries.rows<KnownCondition>(
    `select node, memory_available_mib as "memoryAvailableMib", booted, manager
     from conditions where node = any($1) and monitored >= to_timestamp($2)`,
    [nodes, since],
  );
}
