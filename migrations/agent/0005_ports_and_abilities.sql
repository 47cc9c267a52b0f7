-- Nodes say what their engines can do and which ports they keep for themselves, and each ticket of an order may have
-- ports of its own, chosen where the order leaves that to the agent.

alter table nodes
  -- What the node's engines say their slivers have: [{"engine": "container", "abilities": ["ports"]}, ...].
  add column abilities jsonb not null default '[]',
  -- Ports of its address that it gives nobody, whatever its holdings say.
  add column kept_tcp int4multirange not null default '{}',
  add column kept_udp int4multirange not null default '{}';

drop function issue_tickets;

-- Counts tickets against their accounts, with everything that has to be durable with them: all of it or, by an
-- exception, nothing. Every statement in here begins after the locks before it were taken, and so sees what was
-- issued by whoever held them before (RELIABILITY I5). The caller has decided all of this already, without locks;
-- whatever has changed since is raised as SL001, and the caller decides again. SL002: the request was answered before.
-- `tcp` and `udp` are each ticket's ports, or both empty where no ticket has any.
create function issue_tickets(
  who text, method text, at timestamptz, now timestamptz,
  slice_name text, privilege bigint, type slice_type, asked_capabilities text[],
  lower timestamptz, upper timestamptz, renewable timestamptz, per_mille integer,
  cpu bigint, memory bigint, disk bigint, egress bigint, tcp int4multirange[], udp int4multirange[],
  ids text[], holding_ids text[], bodies text[], valid_tos double precision[], counted_tos double precision[],
  request_id text, arguments_sha256 text, keep_until timestamptz
) returns void language plpgsql as $$
declare
  most_nodes integer;
  owner text;
  ample_accounts integer;
  accounts_charged integer;
begin
  -- A privilege that is withdrawn, or a principal suspended, at the same moment is so before or after, never between
  -- check and commit (RELIABILITY I6).
  select v.max_nodes into most_nodes
  from principals p join privileges v on v.principal = p.name
  where p.name = who and not p.suspended and v.id = privilege and v.slice_type = type
    and v.capabilities @> asked_capabilities and v.valid_from <= now and now < v.valid_to
    and upper - lower <= make_interval(secs => v.max_lease_seconds)
    and renewable - lower <= make_interval(secs => v.max_renewable_seconds)
  for share of p, v;
  if not found then raise exception 'the privilege is gone' using errcode = 'SL001'; end if;

  -- Also makes requests for one slice come one after the other.
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

  -- Ports are exclusive on a node whatever the account, so all accounts of the nodes are locked, in one order. A
  -- slice's own tickets are no obstacle: it has one lease on a node, and a renewal keeps its ports.
  if cardinality(tcp) > 0 then
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
  end if;

  -- Charges the accounts, in one order, each as whoever held it before left it. Most have room even if everything that
  -- is charged to them counted at once; the others are added up over time.
  with charged as (
    update accounts a set
      charged_cpu_millis = a.charged_cpu_millis + cpu,
      charged_memory_mib = a.charged_memory_mib + memory,
      charged_disk_mib = a.charged_disk_mib + disk,
      charged_egress_kbps = a.charged_egress_kbps + egress,
      charged_slivers = a.charged_slivers + 1
    from (select h.* from holdings h where h.id = any(holding_ids) order by h.account) as h
    where a.id = h.account
    returning a.charged_cpu_millis <= h.cpu_millis * per_mille / 1000
      and a.charged_memory_mib <= h.memory_mib * per_mille / 1000
      and a.charged_disk_mib <= h.disk_mib * per_mille / 1000
      and a.charged_egress_kbps <= h.egress_kbps * per_mille / 1000
      and a.charged_slivers <= h.slivers * per_mille / 1000 as ample
  )
  select count(*) filter (where ample), count(*) into ample_accounts, accounts_charged from charged;
  if accounts_charged <> cardinality(ids) then raise exception 'an account for each' using errcode = 'SL001'; end if;
  if ample_accounts < accounts_charged then
    perform from unnest(holding_ids, counted_tos) as t (holding, counted_to)
    join holdings h on h.id = t.holding
    cross join lateral account_free(h.account, lower, to_timestamp(t.counted_to), per_mille) as f
    where f.cpu_millis < cpu or f.memory_mib < memory or f.disk_mib < disk or f.egress_kbps < egress or f.slivers < 1;
    if found then raise exception 'an account is full' using errcode = 'SL001'; end if;
  end if;

  insert into tickets (id, holding, account, node, slice, principal, issued, valid_to, counted_from, counted_to,
    cpu_millis, memory_mib, disk_mib, egress_kbps, tcp_ports, udp_ports, body)
  select t.id, h.id, h.account, h.node, slice_name, who, now, to_timestamp(t.valid_to), lower,
    to_timestamp(t.counted_to), cpu, memory, disk, egress, coalesce(t.tcp, '{}'), coalesce(t.udp, '{}'), t.body
  from unnest(ids, holding_ids, bodies, valid_tos, counted_tos, tcp, udp)
    as t (id, holding, body, valid_to, counted_to, tcp, udp)
  join holdings h on h.id = t.holding;

  insert into audit (at, who, method, outcome, detail)
  values (at, who, method, 'ok', jsonb_build_object('slice', slice_name, 'tickets', cardinality(ids),
    'leaseSeconds', extract(epoch from upper - lower)::bigint));

  if request_id is not null then
    insert into replies (peer, signer, method, request_id, arguments_sha256, tickets, keep_until)
    values (who, '', method, request_id, arguments_sha256, ids, keep_until)
    on conflict do nothing;
    if not found then raise exception 'answered before' using errcode = 'SL002'; end if;
  end if;
end $$;
