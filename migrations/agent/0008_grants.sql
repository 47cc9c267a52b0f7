-- What an agent hands on of its holdings to other agents, and how it learns of nodes that it holds through another.

-- 'closing': nobody is to use it any more, but its node has not said yet that nothing is leased beneath it.
create type grant_state as enum ('granted', 'closing', 'closed', 'ended');

-- Holdings split from this agent's own, for ticket keys of other agents. As with tickets, the body is kept and the
-- signature made again.
create table grants (
  id key_name primary key,
  -- Equal in a grant and those it replaces: the id of the first. They are one account at their node and here.
  line key_name not null,
  replaces key_name references grants,
  holding key_name not null references holdings,
  node key_name not null references nodes,
  -- The ticket key it is for, and the identity key of the agent that has it.
  principal key_name not null,
  holder key_name not null,
  state grant_state not null default 'granted',
  term_start timestamptz not null,
  term_end timestamptz not null,
  cpu_millis bigint not null check (cpu_millis >= 0),
  memory_mib bigint not null check (memory_mib >= 0),
  disk_mib bigint not null check (disk_mib >= 0),
  egress_kbps bigint not null check (egress_kbps >= 0),
  slivers bigint not null check (slivers > 0),
  tcp_ports int4multirange not null default '{}',
  udp_ports int4multirange not null default '{}',
  -- How many leases its node last said live beneath it.
  beneath bigint,
  granted timestamptz not null,
  body text not null,
  check (term_start < term_end)
);

create index grants_of_line on grants (line);
create index grants_of_node on grants (node);
create index grants_closing on grants (node) where state = 'closing';

-- What a line of grants takes from its account: at each instant the largest of those in term, since their node lets
-- that much be leased beneath them. Pieces of time that do not overlap; none once the line is over.
create table grant_charges (
  line key_name not null,
  account bigint not null,
  node text not null,
  counted_from timestamptz not null,
  counted_to timestamptz not null,
  cpu_millis bigint not null,
  memory_mib bigint not null,
  disk_mib bigint not null,
  egress_kbps bigint not null,
  slivers bigint not null,
  tcp_ports int4multirange not null,
  udp_ports int4multirange not null,
  primary key (line, counted_from),
  foreign key (account, node) references accounts (id, node),
  check (counted_from < counted_to)
);

create index grant_charges_counted on grant_charges (account, counted_to);
create index grant_charges_with_ports on grant_charges (node)
  where not (isempty(tcp_ports) and isempty(udp_ports));

-- What takes from accounts now or later: every ticket whose node has not yet said that it is over, and what is handed
-- on. A grant is of no slice: its `slice` is empty, as no name is. A ticket is one sliver, a grant as many as it says.
create or replace view charges as
  select id, account, node, slice, principal, counted_from, counted_to,
    cpu_millis, memory_mib, disk_mib, egress_kbps, tcp_ports, udp_ports, 1::bigint as slivers
  from tickets where state in ('issued', 'redeemed')
  union all
  select line::text, account, node, ''::text, ''::text, counted_from, counted_to,
    cpu_millis, memory_mib, disk_mib, egress_kbps, tcp_ports, udp_ports, slivers
  from grant_charges;

-- Keeps the sums of accounts, as keep_charged does for tickets. There are few of these.
create function keep_granted() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then
    update accounts a set
      charged_cpu_millis = a.charged_cpu_millis - old.cpu_millis,
      charged_memory_mib = a.charged_memory_mib - old.memory_mib,
      charged_disk_mib = a.charged_disk_mib - old.disk_mib,
      charged_egress_kbps = a.charged_egress_kbps - old.egress_kbps,
      charged_slivers = a.charged_slivers - old.slivers
    where a.id = old.account;
  end if;
  if tg_op <> 'DELETE' then
    update accounts a set
      charged_cpu_millis = a.charged_cpu_millis + new.cpu_millis,
      charged_memory_mib = a.charged_memory_mib + new.memory_mib,
      charged_disk_mib = a.charged_disk_mib + new.disk_mib,
      charged_egress_kbps = a.charged_egress_kbps + new.egress_kbps,
      charged_slivers = a.charged_slivers + new.slivers
    where a.id = new.account;
  end if;
  return null;
end $$;

create trigger keep_granted after insert or update or delete on grant_charges
  for each row execute function keep_granted();

-- As before, except that a charge counts as many slivers as it says.
create or replace function account_free(account_id bigint, lower timestamptz, upper timestamptz, per_mille integer)
returns table (cpu_millis bigint, memory_mib bigint, disk_mib bigint, egress_kbps bigint, slivers bigint)
language sql stable parallel safe as $$
  select
    min(l.cpu_millis * per_mille / 1000 - u.cpu_millis)::bigint,
    min(l.memory_mib * per_mille / 1000 - u.memory_mib)::bigint,
    min(l.disk_mib * per_mille / 1000 - u.disk_mib)::bigint,
    min(l.egress_kbps * per_mille / 1000 - u.egress_kbps)::bigint,
    min(l.slivers * per_mille / 1000 - u.slivers)::bigint
  from (
    select lower as instant
    union all select c.counted_from from charges c
      where c.account = account_id and c.counted_to > lower and c.counted_from > lower and c.counted_from < upper
    union all select h.term_start from holdings h
      where h.account = account_id and h.term_start > lower and h.term_start < upper
    union all select h.term_end from holdings h
      where h.account = account_id and h.term_end > lower and h.term_end < upper
  ) as change
  cross join lateral (
    select coalesce(max(h.cpu_millis), 0) as cpu_millis, coalesce(max(h.memory_mib), 0) as memory_mib,
      coalesce(max(h.disk_mib), 0) as disk_mib, coalesce(max(h.egress_kbps), 0) as egress_kbps,
      coalesce(max(h.slivers), 0) as slivers
    from holdings h
    where h.account = account_id and h.term_start <= change.instant and change.instant < h.term_end
  ) as l
  cross join lateral (
    select coalesce(sum(c.cpu_millis), 0) as cpu_millis, coalesce(sum(c.memory_mib), 0) as memory_mib,
      coalesce(sum(c.disk_mib), 0) as disk_mib, coalesce(sum(c.egress_kbps), 0) as egress_kbps,
      coalesce(sum(c.slivers), 0) as slivers
    from charges c
    where c.account = account_id and c.counted_from <= change.instant and change.instant < c.counted_to
  ) as u
$$;

-- Ticket keys that other agents showed to be theirs: whose word is asked about nodes held through them.
create table agent_keys (
  ticket_key key_name primary key,
  agent key_name not null,
  since timestamptz not null
);
