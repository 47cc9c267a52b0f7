-- An agent's books: what it holds, what it issued, and what is left of each account over time (RELIABILITY I5).

create type ticket_state as enum ('issued', 'redeemed', 'ended', 'unredeemed', 'cancelled');

-- Keys that holdings were given to. The private halves are in files beside the agent's identity key.
create table ticket_keys (
  name key_name primary key,
  public_key bytea not null unique,
  since timestamptz not null
);

-- A holding and the ones it replaces share one account. Whoever issues under an account changes its row first, and so
-- holds it locked. What is charged to it at any time, all times together, is kept beside it: no sum at one instant is
-- larger, so where that fits nothing has to be added up.
create table accounts (
  id bigint generated always as identity primary key,
  node key_name not null references nodes,
  charged_cpu_millis bigint not null default 0,
  charged_memory_mib bigint not null default 0,
  charged_disk_mib bigint not null default 0,
  charged_egress_kbps bigint not null default 0,
  charged_slivers bigint not null default 0 check (charged_slivers >= 0),
  unique (id, node)
) with (fillfactor = 50); -- room for changed rows beside the old ones

create index accounts_of_node on accounts (node);

create table holdings (
  id key_name primary key,
  account bigint not null,
  node key_name not null,
  principal key_name not null references ticket_keys,
  issuer key_name not null,
  replaces key_name,
  splits smallint not null check (splits between 1 and 3),
  slice_prefix text,
  valid_from timestamptz not null,
  valid_to timestamptz not null,
  term_start timestamptz not null,
  term_end timestamptz not null,
  cpu_millis bigint not null check (cpu_millis >= 0),
  memory_mib bigint not null check (memory_mib >= 0),
  disk_mib bigint not null check (disk_mib >= 0),
  egress_kbps bigint not null check (egress_kbps >= 0),
  slivers bigint not null check (slivers >= 0),
  ceiling_cpu_millis bigint check (ceiling_cpu_millis >= 0),
  ceiling_egress_kbps bigint check (ceiling_egress_kbps >= 0),
  engine text,
  image text,
  tcp_ports int4multirange not null default '{}',
  udp_ports int4multirange not null default '{}',
  capabilities text[] not null default '{}',
  -- The signed documents, an array of texts, root first and this one last, each without parent lines: what stands in
  -- the header of whatever is split from it.
  lineage json not null,
  deposited timestamptz not null,
  foreign key (account, node) references accounts (id, node),
  check (valid_from < valid_to),
  check (term_start < term_end)
);

create index holdings_of_account on holdings (account);
create index holdings_of_node on holdings (node, term_end);
create index holdings_by_replaced on holdings (replaces) where replaces is not null;

-- A name belongs to the first principal that got a ticket for it.
create table slices (
  name text primary key check (name ~ '^[a-z][a-z0-9]{0,15}(_[a-z0-9]{1,15})?$'),
  principal key_name not null references principals,
  since timestamptz not null
);

create index slices_of_principal on slices (principal);

-- Issued slice tickets: bodies without signatures, which are made again by the key their holding was given to. Only
-- issue_tickets inserts them, with the holding, account and slice locked or immutable; foreign keys would look all of
-- them up again, one by one.
create table tickets (
  id text primary key,
  holding text not null,
  account bigint not null,
  node text not null,
  slice text not null,
  principal text not null,
  state ticket_state not null default 'issued',
  issued timestamptz not null,
  valid_to timestamptz not null,
  -- The half-open time it counts for: from its start to the end of what its node may renew.
  counted_from timestamptz not null,
  counted_to timestamptz not null,
  cpu_millis bigint not null check (cpu_millis >= 0),
  memory_mib bigint not null check (memory_mib >= 0),
  disk_mib bigint not null check (disk_mib >= 0),
  egress_kbps bigint not null check (egress_kbps >= 0),
  tcp_ports int4multirange not null default '{}',
  udp_ports int4multirange not null default '{}',
  -- When its principal gave it back. It counts on until its node has said what became of it.
  released timestamptz,
  settled timestamptz,
  body text not null,
  check (counted_from < counted_to),
  check ((state = 'issued') = (settled is null))
);

create index tickets_counted on tickets (account, counted_to) where state in ('issued', 'redeemed');
create index tickets_of_slice on tickets (slice) where state in ('issued', 'redeemed');
create index tickets_unsettled on tickets (valid_to) where state = 'issued';
create index tickets_with_ports on tickets (node)
  where state in ('issued', 'redeemed') and not (isempty(tcp_ports) and isempty(udp_ports));

-- What takes from accounts now or later: every ticket whose node has not yet said that it is over.
create view charges as
  select id, account, node, slice, principal, counted_from, counted_to,
    cpu_millis, memory_mib, disk_mib, egress_kbps, tcp_ports, udp_ports
  from tickets where state in ('issued', 'redeemed');

-- Takes back what was charged for tickets that do not count any more, and moves charges from account to account.
-- (issue_tickets charges for those it inserts.)
create function keep_charged() returns trigger language plpgsql as $$
begin
  update accounts a set
    charged_cpu_millis = a.charged_cpu_millis + d.cpu_millis,
    charged_memory_mib = a.charged_memory_mib + d.memory_mib,
    charged_disk_mib = a.charged_disk_mib + d.disk_mib,
    charged_egress_kbps = a.charged_egress_kbps + d.egress_kbps,
    charged_slivers = a.charged_slivers + d.slivers
  from (
    select account, sum(cpu_millis * sign) as cpu_millis, sum(memory_mib * sign) as memory_mib,
      sum(disk_mib * sign) as disk_mib, sum(egress_kbps * sign) as egress_kbps, sum(sign) as slivers
    from (
      select account, cpu_millis, memory_mib, disk_mib, egress_kbps, 1 as sign
      from after where state in ('issued', 'redeemed')
      union all
      select account, cpu_millis, memory_mib, disk_mib, egress_kbps, -1 from before
      where state in ('issued', 'redeemed')
    ) as change
    group by account having sum(sign) <> 0
    order by account
  ) as d
  where a.id = d.account;
  return null;
end $$;

create trigger keep_charged after update on tickets
  referencing old table as before new table as after for each statement execute function keep_charged();

-- What is left of an account at every instant of [lower, upper): its limit times the overbooking factor (per mille) less
-- what is charged, the smallest over the term, negative where it is overdrawn. The limit at an instant is the larger of
-- the account's holdings in term. Sums only rise where a charge starts and limits only change where a holding starts
-- or ends, so these instants are enough.
create function account_free(account_id bigint, lower timestamptz, upper timestamptz, per_mille integer)
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
      count(*) as slivers
    from charges c
    where c.account = account_id and c.counted_from <= change.instant and change.instant < c.counted_to
  ) as u
$$;
