import type { KeyName } from "#shared/identity/key.ts";
import type { EngineAbilities } from "#shared/model/ability.ts";
import { isNothing } from "#shared/model/ports.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import type { Instant, Term } from "#shared/model/time.ts";
import type { Queries, Sql } from "#shared/runtime/database.ts";
import type { Offer, OfferedHolding } from "../../issuing/offer.ts";
import type { Order } from "../../issuing/order.ts";
import type { OfferedPorts } from "../../issuing/port-choice.ts";
import { portRanges, portSet, portsIn } from "../columns/port-set.ts";
import { type CeilingRow, ceilingsOf, type ShareRow, shareOf } from "../columns/share.ts";
import { FRESH_SECONDS } from "../monitors/conditions.ts";
import { ALLOWED, type AllowedRow, allowedOf } from "./allowed.ts";

/** Which nodes are looked at: those named, or a stretch of the ring of all nodes by name, beginning at `pivot`. */
export type Candidates =
  | { readonly kind: "ips" | "nodes"; readonly names: readonly string[] }
  | { readonly kind: "ring"; readonly pivot: KeyName; readonly offset: number; readonly limit: number };

/** For how long and how much of it a ticket of the order would count. */
export type Counting = {
  readonly now: Instant;
  readonly term: Term;
  /** How far a ticket may be renewed unless its holding ends before. */
  readonly renewableUntil: Instant;
  /** The factor of nodes that have none of their own. */
  readonly perMille: number;
};

/** What the candidates offer, in their order, and on how many nodes the slice has tickets that count. */
export type Offers = { readonly offers: Offer[]; readonly heldNodes: number };

/**
 * Reads without locking: whoever takes an offer has it checked again by `issueTickets`. `free` says whether what is left
 * of accounts is to be exact, or may be less where finding out takes longer.
 */
export async function offersOf(
  queries: Queries,
  candidates: Candidates,
  order: Order,
  counting: Counting,
  free: "at least" | "exactly",
): Promise<Offers> {
  const rows = await queries.rows<OfferRow>(STATEMENTS[free][candidates.kind], [
    counting.now,
    counting.term.start,
    counting.term.end,
    counting.renewableUntil,
    counting.perMille,
    order.slice,
    order.engine ?? null,
    order.image ?? null,
    portSet(order.ports, "tcp"),
    portSet(order.ports, "udp"),
    order.administrative ?? [],
    order.ceilings.cpuMillis ?? null,
    order.ceilings.egressKbps ?? null,
    order.resources.cpuMillis,
    order.resources.memoryMib,
    order.resources.diskMib,
    order.resources.egressKbps,
    !isNothing(order.anyPorts),
    ...valuesOf(candidates),
  ]);
  return { offers: rows.map(offerOf), heldNodes: rows[0]?.held_nodes ?? 0 };
}

function valuesOf(candidates: Candidates): unknown[] {
  switch (candidates.kind) {
    case "ips":
    case "nodes":
      return [candidates.names];
    case "ring":
      return [candidates.pivot, candidates.offset, candidates.limit];
    default:
      return candidates satisfies never;
  }
}

const CANDIDATES = {
  ips: `select n.node, a.place from unnest($19::text[]) with ordinality as a (ip, place) join nodes n on n.ip = a.ip`,
  nodes: `select a.node, a.place from unnest($19::text[]) with ordinality as a (node, place)`,
  ring: `select node, row_number() over () as place from (
      (select node from nodes where node >= $19 order by node)
      union all
      (select node from nodes where node < $19 order by node)
      offset $20::int limit $21::int) as ring`,
};

/** What holding `h` has left if everything that is charged to its account `a` counted at once: never too much. */
const AT_LEAST = `select h.cpu_millis * k.factor / 1000 - a.charged_cpu_millis as cpu_millis,
  h.memory_mib * k.factor / 1000 - a.charged_memory_mib as memory_mib,
  h.disk_mib * k.factor / 1000 - a.charged_disk_mib as disk_mib,
  h.egress_kbps * k.factor / 1000 - a.charged_egress_kbps as egress_kbps,
  h.slivers * k.factor / 1000 - a.charged_slivers as slivers
  from (select coalesce(n.overbooking, $5::int) as factor) as k`;

/** What it has left at every instant of the time the ticket would count. */
const EXACTLY = `select f.* from account_free(
  h.account, to_timestamp($2), least(to_timestamp($4), h.term_end), coalesce(n.overbooking, $5::int)) as f`;

/**
 * For every candidate the best holding that a ticket can be split from, by the rules of narrowing, with what is left
 * of its account over the whole time the ticket would count: one lateral query for all of them.
 */
function statement(kind: keyof typeof CANDIDATES, free: "at least" | "exactly"): Sql {
  const text = `
    with candidate as (${CANDIDATES[kind]}),
    held as (select distinct c.node from charges c where c.slice = $6 and c.counted_to > to_timestamp($1))
    select n.node, n.ip, n.country, n.region, n.tags, n.engines, n.images, n.heard, p.site, p.suspended,
      n.drained is not null as drained, n.overbooking,
      (select k.load from conditions k
       where k.node = n.node and k.measured >= to_timestamp($1) - interval '${FRESH_SECONDS} s') as load,
      exists (select from held where held.node = n.node) as held,
      (select count(*) from held) as held_nodes,
      taken_by_others.tcp::text as taken_tcp, taken_by_others.udp::text as taken_udp,
      (n.kept_tcp * $9)::text as kept_tcp, (n.kept_udp * $10)::text as kept_udp, n.abilities,
      best.*, ports.*, allowed.*
    from candidate c join nodes n on n.node = c.node join principals p on p.name = n.node
    left join lateral (
      select range_agg(c.tcp_ports * $9) as tcp, range_agg(c.udp_ports * $10) as udp
      from charges c
      where not (isempty($9::int4multirange) and isempty($10::int4multirange))
        and c.node = n.node and (c.tcp_ports && $9 or c.udp_ports && $10)
        and not (isempty(c.tcp_ports) and isempty(c.udp_ports)) and c.slice <> $6
        and c.counted_from < to_timestamp($4) and to_timestamp($2) < c.counted_to
    ) as taken_by_others on true
    left join lateral (
      select h.id, h.principal, h.valid_to, h.term_end, h.cpu_millis, h.memory_mib, h.disk_mib, h.egress_kbps,
        h.slivers, h.ceiling_cpu_millis, h.ceiling_egress_kbps, h.engine, h.image, h.lineage, h.tcp_ports, h.udp_ports,
        f.cpu_millis as free_cpu_millis, f.memory_mib as free_memory_mib, f.disk_mib as free_disk_mib,
        f.egress_kbps as free_egress_kbps, f.slivers as free_slivers
      from holdings h join accounts a on a.id = h.account
      cross join lateral (${free === "exactly" ? EXACTLY : AT_LEAST}) as f
      where h.node = n.node
        and h.valid_from <= to_timestamp($1) and to_timestamp($1) < h.valid_to
        and h.term_start <= to_timestamp($2) and to_timestamp($3) <= h.term_end
        and (h.slice_prefix is null or $6 = h.slice_prefix or starts_with($6, h.slice_prefix || '_'))
        and (h.engine is null or $7::text is null or h.engine = $7)
        and (h.image is null or $8::text is null or h.image = $8)
        and h.tcp_ports @> $9::int4multirange and h.udp_ports @> $10::int4multirange
        and h.capabilities @> $11::text[]
        and (cardinality($11::text[]) = 0 or not exists (select from holdings later where later.replaces = h.id))
        and (h.ceiling_cpu_millis is null or $12::bigint is null or $12 <= h.ceiling_cpu_millis)
        and (h.ceiling_egress_kbps is null or $13::bigint is null or $13 <= h.ceiling_egress_kbps)
      order by
        least(f.cpu_millis, h.cpu_millis) >= $14::bigint and least(f.memory_mib, h.memory_mib) >= $15::bigint
          and least(f.disk_mib, h.disk_mib) >= $16::bigint and least(f.egress_kbps, h.egress_kbps) >= $17::bigint
          and least(f.slivers, h.slivers) >= 1 desc,
        h.term_end desc, f.slivers desc
      limit 1
    ) as best on true
    left join lateral (
      select
        ((best.tcp_ports - n.kept_tcp - $9) * taken.own_tcp)::text as own_tcp,
        ((best.udp_ports - n.kept_udp - $10) * taken.own_udp)::text as own_udp,
        (best.tcp_ports - n.kept_tcp - $9 - taken.own_tcp - taken.tcp)::text as free_tcp,
        (best.udp_ports - n.kept_udp - $10 - taken.own_udp - taken.udp)::text as free_udp
      from (
        select
          coalesce(range_agg(t.tcp_ports) filter (where t.slice = $6), '{}') as own_tcp,
          coalesce(range_agg(t.udp_ports) filter (where t.slice = $6), '{}') as own_udp,
          coalesce(range_agg(t.tcp_ports) filter (where t.slice <> $6), '{}') as tcp,
          coalesce(range_agg(t.udp_ports) filter (where t.slice <> $6), '{}') as udp
        from charges t
        where t.node = n.node and not (isempty(t.tcp_ports) and isempty(t.udp_ports))
          and t.counted_from < to_timestamp($4) and to_timestamp($2) < t.counted_to
      ) as taken
      where $18::boolean
    ) as ports on true
    left join lateral (${ALLOWED}) as allowed on true
    order by c.place`;
  return { name: `offers of ${kind}, ${free}`, text };
}

function statements(free: "at least" | "exactly") {
  return { ips: statement("ips", free), nodes: statement("nodes", free), ring: statement("ring", free) };
}

const STATEMENTS = { "at least": statements("at least"), exactly: statements("exactly") };

type OfferRow = ShareRow &
  CeilingRow &
  AllowedRow & {
    node: string;
    ip: string;
    country: string | null;
    region: string | null;
    tags: string[];
    engines: string[];
    images: string[];
    heard: Instant | null;
    load: number | null;
    site: string | null;
    suspended: boolean;
    drained: boolean;
    overbooking: number | null;
    held: boolean;
    held_nodes: number;
    /** Null where nothing is. */
    taken_tcp: string | null;
    taken_udp: string | null;
    kept_tcp: string;
    kept_udp: string;
    abilities: EngineAbilities[];
    /** Null, with all that follows, where no holding will do. */
    id: string | null;
    principal: string;
    valid_to: Instant;
    term_end: Instant;
    engine: EngineName | null;
    image: string | null;
    lineage: string[];
    free_cpu_millis: number;
    free_memory_mib: number;
    free_disk_mib: number;
    free_egress_kbps: number;
    free_slivers: number;
    /** Null where the order names all of its ports. */
    own_tcp: string | null;
    own_udp: string;
    free_tcp: string;
    free_udp: string;
  };

function offerOf(row: OfferRow): Offer {
  return {
    node: row.node,
    ip: row.ip,
    site: row.site ?? undefined,
    country: row.country ?? undefined,
    region: row.region ?? undefined,
    tags: row.tags,
    engines: row.engines,
    images: row.images,
    suspended: row.suspended,
    drained: row.drained,
    overbooking: row.overbooking ?? undefined,
    heard: row.heard ?? undefined,
    load: row.load ?? undefined,
    held: row.held,
    portsTaken: portsIn(row.taken_tcp, row.taken_udp),
    portsKept: portsIn(row.kept_tcp, row.kept_udp),
    abilities: row.abilities,
    holding: row.id === null ? undefined : holdingOf(row.id, row),
    allowed: row.id === null ? allowedOf(row) : undefined,
  };
}

function holdingOf(id: string, row: OfferRow): OfferedHolding {
  return {
    id,
    principal: row.principal,
    validTo: row.valid_to,
    termEnd: row.term_end,
    resources: shareOf(row),
    free: {
      cpuMillis: row.free_cpu_millis,
      memoryMib: row.free_memory_mib,
      diskMib: row.free_disk_mib,
      egressKbps: row.free_egress_kbps,
      slivers: row.free_slivers,
    },
    ceilings: ceilingsOf(row),
    engine: row.engine ?? undefined,
    image: row.image ?? undefined,
    freePorts: row.own_tcp === null ? undefined : portsOffered({ ...row, own_tcp: row.own_tcp }),
    lineage: row.lineage,
  };
}

type PortColumns = Readonly<Record<"own_tcp" | "own_udp" | "free_tcp" | "free_udp", string>>;

function portsOffered({ own_tcp, own_udp, free_tcp, free_udp }: PortColumns): OfferedPorts {
  return {
    own: [...portRanges(own_tcp, "tcp"), ...portRanges(own_udp, "udp")],
    free: [...portRanges(free_tcp, "tcp"), ...portRanges(free_udp, "udp")],
  };
}
