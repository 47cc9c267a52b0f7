-- A node may have a factor of its own by which more is issued for it than is held. Issuing was one long function that
-- stood whole in each migration that changed it; now each of its steps is one, to be replaced alone.

alter table nodes
  -- Per mille; null: the factor of the agent.
  add column overbooking integer constraint nodes_overbooking_range check (overbooking between 1000 and 10000);

drop function issue_tickets;
drop function write_tickets;

-- The steps of issue_tickets. Each of their statements begins after the locks before it were taken, and so sees what was
-- issued by whoever held them before. What has changed since the caller decided is raised as SL001.

-- On how many nodes a slice may be under a privilege. A privilege that is withdrawn, or a principal suspended, at the same
-- moment is so before or after, never between check and commit (RELIABILITY I6).
create function hold_privilege(
  who text, privilege bigint, type slice_type, asked_capabilities text[],
  now timestamptz, lower timestamptz, upper timestamptz, renewable timestamptz
) returns integer language plpgsql as $$
declare
  most_nodes integer;
begin
  select v.max_nodes into most_nodes
  from principals p join privileges v on v.principal = p.name
  where p.name = who and not p.suspended and v.id = privilege and v.slice_type = type
    and v.capabilities @> asked_capabilities and v.valid_from <= now and now < v.valid_to
    and upper - lower <= make_interval(secs => v.max_lease_seconds)
    and renewable - lower <= make_interval(secs => v.max_renewable_seconds)
  for share of p, v;
  if not found then raise exception 'the privilege is gone' using errcode = 'SL001'; end if;
  return most_nodes;
end $$;

-- Also makes requests for one slice come one after the other.
create function hold_name(slice_name text, who text, now timestamptz, holding_ids text[], most_nodes integer)
returns void language plpgsql as $$
declare
  owner text;
begin
  insert into slices (name, principal, since) values (slice_name, who, now)
  on conflict (name) do update set since = slices.since
  returning principal into owner;
  if owner <> who then raise exception 'the name is taken' using errcode = 'SL001'; end if;

  perform from (
    select c.node from charges c where c.slice = slice_name and c.counted_to > now
    union
    select h.node from holdings h where h.id = any(holding_ids)
  ) as then_held having count(*) > most_nodes;
  if found then raise exception 'the slice has grown' using errcode = 'SL001'; end if;
end $$;

-- Ports are exclusive on a node whatever the account, so all accounts of the nodes are locked, in one order. A slice's own
-- tickets are no obstacle: it has one lease on a node, and a renewal keeps its ports.
create function hold_ports(
  slice_name text, lower timestamptz, holding_ids text[], counted_tos double precision[],
  tcp int4multirange[], udp int4multirange[]
) returns void language plpgsql as $$
begin
  perform from (
    select a.id from accounts a
    where a.node in (select h.node from holdings h where h.id = any(holding_ids))
    order by a.id for update
  ) as locked;
  perform from unnest(holding_ids, counted_tos, tcp, udp) as t (holding, counted_to, tcp, udp)
  join holdings h on h.id = t.holding join charges c on c.node = h.node
  where (c.tcp_ports && t.tcp or c.udp_ports && t.udp) and c.slice <> slice_name
    and c.counted_from < to_timestamp(t.counted_to) and lower < c.counted_to;
  if found then raise exception 'a port is taken' using errcode = 'SL001'; end if;
end $$;

-- Charges the accounts, in one order, each as whoever held it before left it. Most have room even if everything that is
-- charged to them counted at once; the others are added up over time. A node without a factor of its own has `per_mille`.
create function charge_accounts(
  lower timestamptz, per_mille integer, cpu bigint, memory bigint, disk bigint, egress bigint,
  holding_ids text[], counted_tos double precision[], factors integer[]
) returns void language plpgsql as $$
declare
  ample_accounts integer;
  accounts_charged integer;
begin
  with charged as (
    update accounts a set
      charged_cpu_millis = a.charged_cpu_millis + cpu,
      charged_memory_mib = a.charged_memory_mib + memory,
      charged_disk_mib = a.charged_disk_mib + disk,
      charged_egress_kbps = a.charged_egress_kbps + egress,
      charged_slivers = a.charged_slivers + 1
    from (
      select h.account, h.cpu_millis, h.memory_mib, h.disk_mib, h.egress_kbps, h.slivers,
        coalesce(t.factor, per_mille) as factor
      from unnest(holding_ids, factors) as t (holding, factor) join holdings h on h.id = t.holding
      order by h.account
    ) as h
    where a.id = h.account
    returning a.charged_cpu_millis <= h.cpu_millis * h.factor / 1000
      and a.charged_memory_mib <= h.memory_mib * h.factor / 1000
      and a.charged_disk_mib <= h.disk_mib * h.factor / 1000
      and a.charged_egress_kbps <= h.egress_kbps * h.factor / 1000
      and a.charged_slivers <= h.slivers * h.factor / 1000 as ample
  )
  select count(*) filter (where ample), count(*) into ample_accounts, accounts_charged from charged;
  if accounts_charged <> cardinality(holding_ids) then
    raise exception 'an account for each' using errcode = 'SL001';
  end if;
  if ample_accounts < accounts_charged then
    perform from unnest(holding_ids, counted_tos, factors) as t (holding, counted_to, factor)
    join holdings h on h.id = t.holding
    cross join lateral account_free(
      h.account, lower, to_timestamp(t.counted_to), coalesce(t.factor, per_mille)) as f
    where f.cpu_millis < cpu or f.memory_mib < memory or f.disk_mib < disk or f.egress_kbps < egress or f.slivers < 1;
    if found then raise exception 'an account is full' using errcode = 'SL001'; end if;
  end if;
end $$;

-- Whoever drains or suspends a node, or sets its factor, locks its accounts first. These are locked here by now, so that
-- either comes before or after, never between.
create function check_standing(holding_ids text[], factors integer[]) returns void language plpgsql as $$
begin
  perform from unnest(holding_ids, factors) as t (holding, factor)
  join holdings h on h.id = t.holding join nodes n on n.node = h.node join principals p on p.name = n.node
  where n.drained is not null or p.suspended or n.overbooking is distinct from t.factor;
  if found then raise exception 'a node stands otherwise' using errcode = 'SL001'; end if;
end $$;

-- What a quota is about is counted after whoever counted before under the same one. Whoever sets a quota locks the
-- principals it is for first, which are locked here to read by now.
create function check_quotas(
  who text, slice_name text, lease_seconds bigint, now timestamptz, cpu bigint, memory bigint, disk bigint, egress bigint
) returns void language plpgsql as $$
begin
  perform from (
    select q.id from quotas q
    where q.principal = who or q.site = (select p.site from principals p where p.name = who)
    order by q.id for update
  ) as locked;
  if not found then return; end if;
  perform from quota_excess(who, slice_name, '{}', lease_seconds, now, cpu, memory, disk, egress);
  if found then raise exception 'a quota is used up' using errcode = 'SL001'; end if;
end $$;

-- Counts tickets against their accounts, with everything that has to be durable with them: all of it or, by an exception,
-- nothing (RELIABILITY I5). The caller has decided all of this already, without locks; whatever has changed since is
-- raised as SL001, and the caller decides again. SL002: the request was answered before. `tcp` and `udp` are each
-- ticket's ports, or both empty where no ticket has any; `factors` what each ticket's node has for a factor of its own.
create function issue_tickets(
  who text, method text, at timestamptz, now timestamptz,
  slice_name text, privilege bigint, type slice_type, asked_capabilities text[],
  lower timestamptz, upper timestamptz, renewable timestamptz, per_mille integer,
  cpu bigint, memory bigint, disk bigint, egress bigint, tcp int4multirange[], udp int4multirange[],
  ids text[], holding_ids text[], bodies text[], valid_tos double precision[], counted_tos double precision[],
  factors integer[], request_id text, arguments_sha256 text, keep_until timestamptz
) returns void language plpgsql as $$
declare
  lease_seconds bigint := extract(epoch from upper - lower)::bigint;
begin
  perform hold_name(slice_name, who, now, holding_ids,
    hold_privilege(who, privilege, type, asked_capabilities, now, lower, upper, renewable));
  if cardinality(tcp) > 0 then perform hold_ports(slice_name, lower, holding_ids, counted_tos, tcp, udp); end if;
  perform charge_accounts(lower, per_mille, cpu, memory, disk, egress, holding_ids, counted_tos, factors);
  perform check_standing(holding_ids, factors);

  insert into tickets (id, holding, account, node, slice, principal, issued, valid_to, counted_from, counted_to,
    cpu_millis, memory_mib, disk_mib, egress_kbps, tcp_ports, udp_ports, body)
  select t.id, h.id, h.account, h.node, slice_name, who, now, to_timestamp(t.valid_to), lower,
    to_timestamp(t.counted_to), cpu, memory, disk, egress, coalesce(t.tcp, '{}'), coalesce(t.udp, '{}'), t.body
  from unnest(ids, holding_ids, bodies, valid_tos, counted_tos, tcp, udp)
    as t (id, holding, body, valid_to, counted_to, tcp, udp)
  join holdings h on h.id = t.holding;

  perform check_quotas(who, slice_name, lease_seconds, now, cpu, memory, disk, egress);

  insert into audit (at, who, method, outcome, detail)
  values (at, who, method, 'ok', jsonb_build_object('slice', slice_name, 'tickets', cardinality(ids),
    'leaseSeconds', lease_seconds));

  if request_id is not null then
    insert into replies (peer, signer, method, request_id, arguments_sha256, tickets, keep_until)
    values (who, '', method, request_id, arguments_sha256, ids, keep_until)
    on conflict do nothing;
    if not found then raise exception 'answered before' using errcode = 'SL002'; end if;
  end if;
end $$;
