import type { KeyName } from "#shared/identity/key.ts";
import type { EngineAbilities } from "#shared/model/ability.ts";
import type { Resources, Share } from "#shared/model/resources.ts";
import type { Instant, Term } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";
import { type ShareRow, shareOf } from "../columns/share.ts";
import { FRESH_SECONDS } from "../monitors/conditions.ts";

/** What is held on one node and how it stands (paper §2.2: an agent "advertises the tickets it is holding"). */
export type Advertisement = {
  readonly node: KeyName;
  readonly ip: string;
  readonly sslport?: number;
  readonly site?: string;
  readonly latitude?: number;
  readonly longitude?: number;
  readonly country?: string;
  readonly region?: string;
  readonly tags: readonly string[];
  readonly engines: readonly string[];
  readonly images: readonly string[];
  /** What each of its engines says its slivers have. */
  readonly abilities: readonly EngineAbilities[];
  readonly simulated: boolean;
  readonly heard?: Instant;
  /** Per mille of the time it was heard; undefined while unknown. */
  readonly liveness?: number;
  /** What monitors told of it, where one did. Nobody vouches for it. */
  readonly monitored?: Instant;
  /** Processes that want a processor, over a minute, as measured within FRESH_SECONDS. */
  readonly load?: number;
  readonly cpus?: number;
  /** Held now, without overbooking. */
  readonly resources: Share;
  /**
   * Free at every instant of the term asked about up to `until`, in the account with most room; never below nothing. A
   * slice's tickets are counted as far as they may be renewed, and no further than what they are split from. Nothing while the node is drained.
   */
  readonly free: Share;
  /** Nothing new is issued for it; what there is goes on. */
  readonly drained: boolean;
  /** When the last of the account's holdings ends. */
  readonly until: Instant;
  /** How much of what is held is issued, per mille: the node's own factor, or the agent's. */
  readonly overbooking: number;
};

/** Which advertisements are wanted. What is absent does not matter. */
export type AdvertisementFilter = {
  readonly nodes?: readonly KeyName[];
  readonly ips?: readonly string[];
  readonly engine?: string;
  readonly image?: string;
  /** One engine, the one named if any, says that its slivers have all of these. */
  readonly abilities?: readonly string[];
  /** At one of these sites. */
  readonly sites?: readonly string[];
  readonly country?: string;
  readonly region?: string;
  /** The node has all of these, each "name=value". */
  readonly tags?: readonly string[];
  /** At least so much is held, however much of it is free. */
  readonly held?: Resources;
  /** Heard from then or later. */
  readonly heardSince?: Instant;
  /** Its load is known, and no more than this. */
  readonly maxLoad?: number;
  /** One sliver of this size must fit. */
  readonly resources?: Resources;
  readonly during: Term;
  /** Only nodes whose names come after this one. */
  readonly after?: KeyName;
  readonly limit: number;
};

/** Advertisements of nodes that are not suspended and on which something is held now, in the order of their names. */
export async function advertisements(
  queries: Queries,
  filter: AdvertisementFilter,
  now: Instant,
  perMille: number,
): Promise<Advertisement[]> {
  const { resources, held, during } = filter;
  const rows = await queries.rows<AdvertisementRow>(ADVERTISEMENTS, [
    now,
    during.start,
    during.end,
    perMille,
    filter.nodes ?? null,
    filter.ips ?? null,
    filter.engine ?? null,
    filter.image ?? null,
    resources?.cpuMillis ?? 0,
    resources?.memoryMib ?? 0,
    resources?.diskMib ?? 0,
    resources?.egressKbps ?? 0,
    resources ? 1 : 0,
    filter.after ?? "",
    filter.limit,
    filter.abilities ?? [],
    filter.sites ?? null,
    filter.country ?? null,
    filter.region ?? null,
    filter.tags ?? [],
    filter.heardSince ?? null,
    ...[held?.cpuMillis ?? 0, held?.memoryMib ?? 0, held?.diskMib ?? 0, held?.egressKbps ?? 0],
    now - FRESH_SECONDS,
    filter.maxLoad ?? null,
  ]);
  return rows.map(advertisementOf);
}

/** How many advertisements are in memory at once while all are read. */
const PAGE = 200;

/** All advertisements from `after` on, a page at a time, each read when it is asked for; nothing is held in between. */
export async function* advertisementPages(
  queries: Queries,
  filter: Omit<AdvertisementFilter, "limit">,
  now: Instant,
  perMille: number,
): AsyncGenerator<Advertisement[], void> {
  let after = filter.after;
  for (;;) {
    const page = await advertisements(queries, { ...filter, after, limit: PAGE }, now, perMille);
    yield page;
    if (page.length < PAGE) return;
    after = page.at(-1)!.node;
  }
}

/** Addresses of nodes that were heard from since `since` and on which something is held. */
export async function liveAddresses(queries: Queries, since: Instant, now: Instant): Promise<string[]> {
  const rows = await queries.rows<{ ip: string }>(
    `select n.ip from nodes n join principals p on p.name = n.node
     where not p.suspended and n.drained is null and n.heard >= to_timestamp($1) and exists (
       select from holdings h
       where h.node = n.node and h.valid_from <= to_timestamp($2) and to_timestamp($2) < h.valid_to
         and h.term_start <= to_timestamp($2) and to_timestamp($2) < h.term_end)
     order by n.node`,
    [since, now],
  );
  return rows.map((row) => row.ip);
}

/**
 * What is known of a node's condition is looked up by limit 1, node by node, whatever the planner thinks: as joins, planned
 * while these tables were small, all of them would be read for every node. Names asked for are a subquery, which is hashed:
 * an array, in a plan for any, would be searched from its beginning for every node.
 */
const ADVERTISEMENTS = {
  name: "advertisements",
  text: `
    select n.node, n.ip, n.sslport, p.site, n.latitude, n.longitude, n.country, n.region, n.tags, n.engines, n.images,
      n.abilities, n.simulated, n.heard, n.drained is not null as drained,
      coalesce(n.overbooking, $4::int) as overbooking, c.monitored, c.cpus, c.load, v.liveness, best.*
    from nodes n join principals p on p.name = n.node
    left join lateral (
      select c.monitored, c.cpus, case when c.measured >= to_timestamp($26) then c.load end as load
      from conditions c where c.node = n.node limit 1
    ) as c on true
    left join lateral (
      select round(1000 * v.heard / v.watched)::int as liveness from liveness v where v.node = n.node limit 1
    ) as v on true
    join lateral (
      select l.cpu_millis, l.memory_mib, l.disk_mib, l.egress_kbps, l.slivers, l.held_until,
        f.cpu_millis as free_cpu_millis, f.memory_mib as free_memory_mib, f.disk_mib as free_disk_mib,
        f.egress_kbps as free_egress_kbps, f.slivers as free_slivers
      from (
        select h.account, max(h.cpu_millis) as cpu_millis, max(h.memory_mib) as memory_mib,
          max(h.disk_mib) as disk_mib, max(h.egress_kbps) as egress_kbps, max(h.slivers) as slivers,
          max(h.term_end) as held_until
        from holdings h
        where h.node = n.node and h.valid_from <= to_timestamp($1) and to_timestamp($1) < h.valid_to
          and h.term_start <= to_timestamp($1) and to_timestamp($1) < h.term_end
        group by h.account
      ) as l
      cross join lateral account_free(
        l.account, to_timestamp($2), least(to_timestamp($3), l.held_until), coalesce(n.overbooking, $4::int)) as f
      where ($13 = 0 or f.cpu_millis >= $9 and f.memory_mib >= $10 and f.disk_mib >= $11 and f.egress_kbps >= $12
          and f.slivers >= $13 and n.drained is null and to_timestamp($3) <= l.held_until)
        and l.cpu_millis >= $22 and l.memory_mib >= $23 and l.disk_mib >= $24 and l.egress_kbps >= $25
      order by f.slivers desc, f.memory_mib desc
      limit 1
    ) as best on true
    where not p.suspended and n.retired is null and n.node > $14
      and ($5::text[] is null or n.node in (select unnest($5::text[])))
      and ($6::text[] is null or n.ip in (select unnest($6::text[])))
      and ($7::text is null or $7 = any(n.engines)) and ($8::text is null or $8 = any(n.images))
      and (cardinality($16::text[]) = 0 or exists (
        select from jsonb_array_elements(n.abilities) as e
        where ($7::text is null or e ->> 'engine' = $7) and e -> 'abilities' @> to_jsonb($16::text[])))
      and ($17::text[] is null or p.site = any($17)) and ($18::text is null or n.country = $18)
      and ($19::text is null or n.region = $19) and n.tags @> $20::text[]
      and ($21::double precision is null or n.heard >= to_timestamp($21))
      and ($27::double precision is null or c.load <= $27)
    order by n.node
    limit $15`,
};

type AdvertisementRow = ShareRow & {
  node: string;
  ip: string;
  sslport: number | null;
  site: string | null;
  latitude: number | null;
  longitude: number | null;
  country: string | null;
  region: string | null;
  tags: string[];
  engines: string[];
  images: string[];
  abilities: EngineAbilities[];
  simulated: boolean;
  heard: Instant | null;
  drained: boolean;
  overbooking: number;
  monitored: Instant | null;
  cpus: number | null;
  load: number | null;
  liveness: number | null;
  free_cpu_millis: number;
  free_memory_mib: number;
  free_disk_mib: number;
  free_egress_kbps: number;
  free_slivers: number;
  held_until: Instant;
};

function advertisementOf(row: AdvertisementRow): Advertisement {
  return {
    node: row.node,
    ip: row.ip,
    sslport: row.sslport ?? undefined,
    site: row.site ?? undefined,
    latitude: row.latitude ?? undefined,
    longitude: row.longitude ?? undefined,
    country: row.country ?? undefined,
    region: row.region ?? undefined,
    tags: row.tags,
    engines: row.engines,
    images: row.images,
    abilities: row.abilities,
    simulated: row.simulated,
    heard: row.heard ?? undefined,
    liveness: row.liveness ?? undefined,
    monitored: row.monitored ?? undefined,
    load: row.load ?? undefined,
    cpus: row.cpus ?? undefined,
    resources: shareOf(row),
    free: row.drained ? NOTHING : freeOf(row),
    drained: row.drained,
    until: row.held_until,
    overbooking: row.overbooking,
  };
}

/** What is free on a node that is drained. */
const NOTHING: Share = { cpuMillis: 0, memoryMib: 0, diskMib: 0, egressKbps: 0, slivers: 0 };

function freeOf(row: AdvertisementRow): Share {
  return {
    cpuMillis: Math.max(0, row.free_cpu_millis),
    memoryMib: Math.max(0, row.free_memory_mib),
    diskMib: Math.max(0, row.free_disk_mib),
    egressKbps: Math.max(0, row.free_egress_kbps),
    slivers: Math.max(0, row.free_slivers),
  };
}
