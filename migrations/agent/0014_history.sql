-- How nodes and the whole fleet were over the last two days, for pages. Written once every few minutes by whichever
-- agent of this database comes first, thinned as it grows older, forgotten after two days.

alter table conditions
  -- Of all processors, how much is in use.
  add cpu_percent double precision check (cpu_percent between 0 and 100),
  add memory_used_mib bigint check (memory_used_mib >= 0),
  add received_kbps double precision check (received_kbps >= 0),
  add sent_kbps double precision check (sent_kbps >= 0);

-- One row is what was so, on average, in the seconds before `at`. What is not known is null.
create table node_history (
  node key_name not null,
  at timestamptz not null,
  seconds integer not null check (seconds > 0),
  -- As it was written, not put together of several.
  fine boolean not null,
  heard real not null check (heard between 0 and 1),
  -- Slices with a lease there, and tickets still to be redeemed; of both together, what is counted.
  leases real not null,
  tickets real not null,
  cpu_millis real not null,
  memory_mib real not null,
  egress_kbps real not null,
  -- What monitors tell of the machine.
  load real,
  cpu_percent real,
  memory_used_mib real,
  received_kbps real,
  sent_kbps real,
  primary key (node, at)
);
create index node_history_by_time on node_history (at);
create index node_history_fine on node_history (at) where fine;

create table fleet_history (
  at timestamptz primary key,
  seconds integer not null check (seconds > 0),
  fine boolean not null,
  nodes real not null,
  heard real not null,
  leases real not null,
  tickets real not null,
  cpu_millis real not null,
  memory_mib real not null,
  egress_kbps real not null,
  -- Of the nodes of which it is known.
  cpu_percent real,
  memory_used_mib real,
  received_kbps real,
  sent_kbps real,
  -- How many tickets an hour were issued, redeemed, and ended otherwise or after that.
  issued_hourly real not null,
  redeemed_hourly real not null,
  ended_hourly real not null
);

-- Found by time, at next to no cost for whoever writes: tickets lie in the order they were written.
create index tickets_by_time on tickets using brin (issued, settled) with (pages_per_range = 32);
