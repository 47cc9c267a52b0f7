-- Leases that the owner of their node ended before their time: the latest list in which each node says so, signed by it, and
-- since when it is said of a ticket.
create table node_lists (
  node key_name primary key references nodes,
  id key_name not null,
  number bigint not null check (number >= 0),
  document text not null,
  received timestamptz not null
);

alter table tickets add column withdrawn timestamptz;
