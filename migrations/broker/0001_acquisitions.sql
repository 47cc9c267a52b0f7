-- What principals signed for, what was asked for in their name, and what came of it. An acquisition is written down
-- before anything is asked, each ask before it is made, each ticket before it is told.

create type acquisition_state as enum ('working', 'done', 'failed');

create table acquisitions (
  -- SHA-256 of the body of the request.
  id text primary key check (id ~ '^[0-9a-f]{64}$'),
  principal text not null,
  serial text not null,
  -- As it was signed, and the SubjectPublicKeyInfo that verifies it.
  request text not null,
  principal_key bytea not null,
  -- After the request no agent has to honour it.
  request_end timestamptz not null,
  -- What this call narrowed the request to.
  wanted int not null check (wanted >= 1),
  atleast int not null check (atleast between 1 and wanted),
  standby int not null check (standby >= 0),
  held text[] not null,
  avoided text[] not null,
  state acquisition_state not null default 'working',
  -- Of the first round of asks, as it is told: without the tickets.
  specification jsonb,
  -- What agents and nodes did not do, as it is told.
  refused jsonb not null default '[]',
  fault text,
  sentence text,
  begun timestamptz not null,
  over timestamptz,
  -- When its principal first heard of its end.
  told timestamptz,
  -- Who works at it. Whoever takes it counts `claims` up; who worked at it before can then write nothing more.
  worker text,
  claims int not null default 0,
  claimed_until timestamptz,
  unique (principal, serial),
  check ((state = 'working') = (over is null)),
  check ((state = 'failed') = (fault is not null))
);

create index acquisitions_working on acquisitions (begun) where state = 'working';
create index acquisitions_untold on acquisitions (over) where state = 'done' and told is null;
create index acquisitions_by_principal on acquisitions (principal);

-- Open: nobody knows what came of it. Doubtful: the same, and its acquisition goes on without it.
create type ask_state as enum ('open', 'doubtful', 'granted', 'refused');

create table asks (
  -- What the agent knows the ask by: sent again, it brings the same tickets.
  request_id text primary key,
  acquisition text not null references acquisitions on delete cascade,
  number int not null,
  agent text not null,
  count int not null,
  atleast int not null,
  lease_seconds bigint not null,
  -- In order of preference: [{node, ip, sslport, site}].
  nodes jsonb not null,
  state ask_state not null default 'open',
  made timestamptz not null,
  unique (acquisition, number)
);

create index asks_unsettled on asks (acquisition) where state in ('open', 'doubtful');

-- Held: its principal's. Unwanted: nobody will be told of it, and its agent is to have it back. Released: it has.
create type held_state as enum ('held', 'unwanted', 'released');

create table tickets (
  id text primary key,
  acquisition text not null references acquisitions on delete cascade,
  ask text not null references asks on delete cascade,
  -- In the order of preference of the whole acquisition.
  place int not null,
  agent text not null,
  node text not null,
  document text not null,
  valid_to timestamptz not null,
  state held_state not null default 'held'
);

-- One node gives a slice one sliver.
create unique index tickets_of_nodes on tickets (acquisition, node) where state = 'held';
create index tickets_unwanted on tickets (agent) where state = 'unwanted';
create index tickets_by_ask on tickets (ask);
