-- Quotas: the most that a principal, or all principals of a site together, have at a time; and nodes that are drained:
-- nothing new is issued for them, what there is goes on.

create table quotas (
  id bigint generated always as identity primary key,
  principal key_name unique references principals,
  site text unique references sites,
  -- Null: not limited. Slices, slivers and resources count together, over all that counts now or later.
  max_slices bigint constraint quotas_amounts check (max_slices >= 0),
  -- Of one slice.
  max_nodes bigint check (max_nodes >= 0),
  max_lease_seconds bigint check (max_lease_seconds >= 0),
  max_slivers bigint check (max_slivers >= 0),
  max_cpu_millis bigint check (max_cpu_millis >= 0),
  max_memory_mib bigint check (max_memory_mib >= 0),
  max_disk_mib bigint check (max_disk_mib >= 0),
  max_egress_kbps bigint check (max_egress_kbps >= 0),
  constraint quotas_of_one check ((principal is null) <> (site is null))
);

create index principals_of_site on principals (site);

alter table nodes
  add column drained timestamptz,
  -- Gone for good, and drained then.
  add column retired timestamptz,
  add constraint nodes_retired_drained check (retired is null or drained is not null);

create index nodes_drained on nodes (node) where drained is not null;

-- Where a principal would have, or has, more than a quota of its own or of its site allows, with tickets for a slice of
-- its on these nodes besides those that count. A sliver counts once, as the largest of its tickets: a renewal is no
-- further one.
create function quota_excess(
  who text, slice_name text, planned_nodes text[], lease_seconds bigint, now timestamptz,
  cpu bigint, memory bigint, disk bigint, egress bigint
) returns table (of_site text, what text, most bigint, would bigint)
language sql stable as $$
  with quota as (
    select q.* from quotas q where q.principal = who
    union all
    select q.* from principals p join quotas q on q.site = p.site where p.name = who
  ),
  member as (
    select q.id, q.principal::text as name from quota q where q.principal is not null
    union all
    select q.id, p.name from quota q join principals p on p.site = q.site
  ),
  counted as (
    select m.id, t.slice, t.node, t.cpu_millis, t.memory_mib, t.disk_mib, t.egress_kbps
    from member m join slices s on s.principal = m.name
    join tickets t on t.slice = s.name and t.state in ('issued', 'redeemed') and t.counted_to > now
    union all
    select q.id, slice_name, planned.node, cpu, memory, disk, egress
    from quota q cross join unnest(planned_nodes) as planned (node)
  ),
  sliver as (
    select c.id, c.slice, c.node, max(c.cpu_millis) as cpu_millis, max(c.memory_mib) as memory_mib,
      max(c.disk_mib) as disk_mib, max(c.egress_kbps) as egress_kbps
    from counted c group by c.id, c.slice, c.node
  ),
  total as (
    select s.id, count(distinct s.slice) as slices, count(*) filter (where s.slice = slice_name) as nodes,
      count(*) as slivers, sum(s.cpu_millis)::bigint as cpu_millis, sum(s.memory_mib)::bigint as memory_mib,
      sum(s.disk_mib)::bigint as disk_mib, sum(s.egress_kbps)::bigint as egress_kbps
    from sliver s group by s.id
  )
  select q.site, l.what, l.most, l.would
  from quota q join total t on t.id = q.id
  cross join lateral (values
    ('slices', q.max_slices, t.slices), ('nodes', q.max_nodes, t.nodes),
    ('lease_seconds', q.max_lease_seconds, lease_seconds), ('slivers', q.max_slivers, t.slivers),
    ('cpu_millis', q.max_cpu_millis, t.cpu_millis), ('memory_mib', q.max_memory_mib, t.memory_mib),
    ('disk_mib', q.max_disk_mib, t.disk_mib), ('egress_kbps', q.max_egress_kbps, t.egress_kbps)
  ) as l (what, most, would)
  where l.would > l.most
$$;

alter function issue_tickets rename to write_tickets;

-- Writes tickets as before and then looks at what has come of it: more than a quota allows, or something for a drained
-- node, undoes all of it. Whoever drains a node locks its accounts first, and whoever sets a quota the principals it
-- is for: both are locked here by then, so that either comes before or after, never between.
create function issue_tickets(
  who text, method text, at timestamptz, now timestamptz,
  slice_name text, privilege bigint, type slice_type, asked_capabilities text[],
  lower timestamptz, upper timestamptz, renewable timestamptz, per_mille integer,
  cpu bigint, memory bigint, disk bigint, egress bigint, tcp int4multirange[], udp int4multirange[],
  ids text[], holding_ids text[], bodies text[], valid_tos double precision[], counted_tos double precision[],
  request_id text, arguments_sha256 text, keep_until timestamptz
) returns void language plpgsql as $$
begin
  perform write_tickets(who, method, at, now, slice_name, privilege, type, asked_capabilities, lower, upper, renewable,
    per_mille, cpu, memory, disk, egress, tcp, udp, ids, holding_ids, bodies, valid_tos, counted_tos,
    request_id, arguments_sha256, keep_until);

  perform from nodes n where n.drained is not null
    and exists (select from holdings h where h.node = n.node and h.id = any(holding_ids));
  if found then raise exception 'a node is drained' using errcode = 'SL001'; end if;

  -- What a quota is about is counted after whoever counted before under the same one.
  perform from (
    select q.id from quotas q
    where q.principal = who or q.site = (select p.site from principals p where p.name = who)
    order by q.id for update
  ) as locked;
  if found then
    perform from quota_excess(who, slice_name, '{}', extract(epoch from upper - lower)::bigint, now,
      cpu, memory, disk, egress);
    if found then raise exception 'a quota is used up' using errcode = 'SL001'; end if;
  end if;
end $$;
