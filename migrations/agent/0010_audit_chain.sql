-- The audit is a chain: each row has its place in it and a hash over the hash before, its place and all it says. Rows are
-- put into the chain some seconds after they were written, in batches, so that what is done at the same time need not
-- wait for each other; the agent signs where each batch ends.

alter table audit
  add column position bigint check (position > 0),
  add column hash bytea check (octet_length(hash) = 32),
  add constraint audit_chained_whole check ((position is null) = (hash is null));

create unique index audit_by_position on audit (position) where position is not null;
create index audit_unchained on audit (id) where position is null;

create table audit_heads (
  position bigint primary key check (position > 0),
  hash bytea not null check (octet_length(hash) = 32),
  sealed timestamptz not null,
  -- The agent's identity key then, and what it signed of this.
  key key_name not null,
  signature bytea not null
);
