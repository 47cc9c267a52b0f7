import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";
import type { Principal } from "../registry/principals.ts";

/** A person or service an agent knows, with what counts of it now or later. */
export type PrincipalOverview = Principal & {
  readonly added: Instant;
  /** Names that are its. */
  readonly names: number;
  readonly slices: number;
  readonly slivers: number;
};

const OVERVIEW = `
  select p.name, p.sha1, p.label, p.role, p.site, p.suspended, p.revoked is not null as revoked, p.added, count(distinct s.name) as names,
    count(distinct t.slice) as slices, count(distinct (t.slice, t.node)) filter (where t.id is not null) as slivers
  from principals p left join slices s on s.principal = p.name
    left join tickets t on t.slice = s.name and t.state in ('issued', 'redeemed') and t.counted_to > to_timestamp($1)`;

/** All but nodes, by what they are called. */
export async function principalsOverview(
  queries: Queries,
  now: Instant,
  limit: number,
): Promise<PrincipalOverview[]> {
  return await queries.rows<PrincipalOverview>(
    `${OVERVIEW} where p.role <> 'node' group by p.name order by p.label limit $2`,
    [now, limit],
  );
}

export async function principalOverview(
  queries: Queries,
  now: Instant,
  name: KeyName,
): Promise<PrincipalOverview | undefined> {
  return await queries.row<PrincipalOverview>(`${OVERVIEW} where p.name = $2 group by p.name`, [now, name]);
}

/** One limit of a quota, and how much of it is used. */
export type QuotaUse = {
  /** Whose it is, by what it is called here: a principal, or a site. */
  readonly principal: string | null;
  readonly site: string | null;
  readonly what: string;
  readonly most: number;
  /** Null: it limits each lease by itself. */
  readonly used: number | null;
};

/** Quotas that hold for a principal, its own and its site's, or all; a sliver counts as the largest of its tickets. */
export async function quotaUses(queries: Queries, now: Instant, principal?: KeyName): Promise<QuotaUse[]> {
  return await queries.rows<QuotaUse>(
    `with quota as (
       select q.* from quotas q where $2::text is null or q.principal = $2
         or q.site = (select p.site from principals p where p.name = $2)
     ), member as (
       select q.id, q.principal::text as name from quota q where q.principal is not null
       union all
       select q.id, p.name from quota q join principals p on p.site = q.site
     ), sliver as (
       select m.id, t.slice, t.node, max(t.cpu_millis) as cpu_millis, max(t.memory_mib) as memory_mib,
         max(t.disk_mib) as disk_mib, max(t.egress_kbps) as egress_kbps,
         count(*) over (partition by m.id, t.slice) as nodes
       from member m join slices s on s.principal = m.name
         join tickets t on t.slice = s.name and t.state in ('issued', 'redeemed') and t.counted_to > to_timestamp($1)
       group by m.id, t.slice, t.node
     ), total as (
       select id, count(distinct slice) as slices, max(nodes) as nodes, count(*) as slivers,
         sum(cpu_millis)::bigint as cpu_millis, sum(memory_mib)::bigint as memory_mib,
         sum(disk_mib)::bigint as disk_mib, sum(egress_kbps)::bigint as egress_kbps
       from sliver group by id
     )
     select p.label as principal, q.site, l.what, l.most, l.used
     from quota q left join total t on t.id = q.id left join principals p on p.name = q.principal
     cross join lateral (values
       (1, 'slices', q.max_slices, coalesce(t.slices, 0)),
       (2, 'nodes of one slice', q.max_nodes, coalesce(t.nodes, 0)),
       (3, 'seconds of a lease', q.max_lease_seconds, null),
       (4, 'slivers', q.max_slivers, coalesce(t.slivers, 0)),
       (5, 'thousandths of a core', q.max_cpu_millis, coalesce(t.cpu_millis, 0)),
       (6, 'MiB of memory', q.max_memory_mib, coalesce(t.memory_mib, 0)),
       (7, 'MiB of disk', q.max_disk_mib, coalesce(t.disk_mib, 0)),
       (8, 'kbit/s of egress', q.max_egress_kbps, coalesce(t.egress_kbps, 0))
     ) as l (place, what, most, used)
     where l.most is not null
     order by q.site nulls first, p.label, l.place`,
    [now, principal ?? null],
  );
}

/** What a principal may ask for. */
export type HeldPrivilege = {
  readonly id: number;
  readonly type: string;
  readonly nodes: number;
  readonly leaseSeconds: number;
  readonly renewableSeconds: number;
  readonly capabilities: readonly string[];
  /** Infinity: until it is withdrawn. */
  readonly until: Instant;
};

export async function privilegesOf(
  queries: Queries,
  now: Instant,
  principal: KeyName,
): Promise<HeldPrivilege[]> {
  return await queries.rows<HeldPrivilege>(
    `select id, slice_type::text as type, max_nodes as nodes, max_lease_seconds as "leaseSeconds",
       max_renewable_seconds as "renewableSeconds", capabilities, valid_to as until
     from privileges where principal = $2 and valid_to > to_timestamp($1) order by id`,
    [now, principal],
  );
}

/** A row of the audit, as a page has it. */
export type AuditEntryShown = {
  readonly id: number;
  readonly at: Instant;
  readonly who: string;
  readonly label: string | null;
  readonly method: string;
  readonly outcome: string;
  readonly detail: string;
  /** Its place in the chain, once it has one. */
  readonly position: number | null;
};

/** So far back rows of one principal are looked for: there may be millions of others'. */
const LOOKED_BACK = 100_000;

/** The latest first; of one principal, or of everybody. */
export async function latestAuditEntries(
  queries: Queries,
  limit: number,
  who?: KeyName,
): Promise<AuditEntryShown[]> {
  return await queries.rows<AuditEntryShown>(
    `select a.id, a.at, a.who, p.label, a.method, a.outcome, a.detail::text as detail, a.position
     from audit a left join principals p on p.name = a.who
     where a.id > (select coalesce(max(id), 0) - $3::bigint from audit) and ($2::text is null or a.who = $2)
     order by a.id desc limit $1`,
    [limit, who ?? null, LOOKED_BACK],
  );
}

/** What strangers were refused lately, by day, method and fault. */
export type StrangerRefusal = {
  readonly day: string;
  readonly method: string;
  readonly outcome: string;
  readonly times: number;
};

export async function latestStrangerRefusals(queries: Queries, limit: number): Promise<StrangerRefusal[]> {
  return await queries.rows<StrangerRefusal>(
    "select day, method, outcome, times from stranger_refusals order by day desc, times desc limit $1",
    [limit],
  );
}
