-- What was answered and what was done, both written in the transaction that does it (RELIABILITY I7).

-- Answers to calls that carried a request_id. An answer made of tickets is kept as their ids: their signatures can be
-- made again to the byte. Any other is kept as it was sent.
create table replies (
  peer text not null,
  signer text not null,
  method text not null,
  request_id text not null check (length(request_id) between 1 and 64),
  arguments_sha256 text not null,
  tickets text[],
  reply bytea,
  keep_until timestamptz not null,
  primary key (peer, signer, method, request_id),
  check ((tickets is null) <> (reply is null))
);

create index replies_by_end on replies (keep_until);

-- Who did what, and what came of it: 'ok' or the name of a fault. `who` is a key's name, or 'operator'.
create table audit (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  who text not null,
  method text not null,
  outcome text not null,
  detail jsonb not null default '{}'
);

-- Refusals of callers nobody knows, counted a day: they must not be able to fill the disk.
create table stranger_refusals (
  day date not null,
  method text not null,
  outcome text not null,
  times bigint not null check (times > 0),
  primary key (day, method, outcome)
);
