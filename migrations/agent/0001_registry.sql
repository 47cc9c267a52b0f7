-- Who an agent knows: principals and what they may ask for, sites, and the nodes an administrator has accepted.
-- Times are timestamptz. Keys are named by the SHA-256 of their SubjectPublicKeyInfo, 64 hex digits.

create domain key_name as text check (value ~ '^[0-9a-f]{64}$');

create type role as enum ('researcher', 'pi', 'administrator', 'node', 'agent');

create type slice_type as enum ('conventional', 'administrative');

create table sites (
  name text primary key check (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  added timestamptz not null
);

create table principals (
  name key_name primary key,
  sha1 text not null check (sha1 ~ '^[0-9a-f]{40}$'),
  public_key bytea not null unique,
  label text not null unique check (label ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  role role not null,
  site text references sites,
  suspended boolean not null default false,
  added timestamptz not null,
  unique (name, role)
);

-- A node's address is unique and in its one canonical spelling: it is what tickets and callers name it by.
create table nodes (
  node key_name primary key,
  role role not null default 'node' check (role = 'node'),
  ip text not null unique check (host(ip::inet) = ip),
  latitude double precision check (latitude between -90 and 90),
  longitude double precision check (longitude between -180 and 180),
  country text check (country ~ '^[a-z]{2}$'),
  region text check (region ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
  tags text[] not null default '{}',
  -- What the node says of itself, and when it last said anything.
  sslport integer check (sslport between 1 and 65535),
  sshport integer check (sshport between 1 and 65535),
  engines text[] not null default '{}',
  images text[] not null default '{}',
  simulated boolean not null default false,
  version text,
  heard timestamptz,
  foreign key (node, role) references principals (name, role),
  constraint nodes_whole_place check ((latitude is null) = (longitude is null))
);

-- One row: this principal may have slices of this type, on so many nodes each, for so long.
create table privileges (
  id bigint generated always as identity primary key,
  principal key_name not null references principals,
  slice_type slice_type not null,
  max_nodes integer not null check (max_nodes > 0),
  max_lease_seconds bigint not null check (max_lease_seconds > 0),
  max_renewable_seconds bigint not null,
  capabilities text[] not null default '{}',
  valid_from timestamptz not null,
  valid_to timestamptz not null default 'infinity',
  constraint privileges_renewable check (max_renewable_seconds >= max_lease_seconds),
  constraint privileges_lasting check (valid_from < valid_to),
  constraint privileges_capable check ((slice_type = 'administrative') = (cardinality(capabilities) > 0))
);

create index privileges_of_principal on privileges (principal, slice_type);

-- What a principal gets when it is added with nothing said: copied then, so that changing it changes nobody.
create table role_privileges (
  role role not null,
  slice_type slice_type not null,
  max_nodes integer not null,
  max_lease_seconds bigint not null,
  max_renewable_seconds bigint not null,
  capabilities text[] not null default '{}',
  primary key (role, slice_type)
);

insert into role_privileges (role, slice_type, max_nodes, max_lease_seconds, max_renewable_seconds, capabilities) values
  ('researcher', 'conventional', 1000, 14 * 86400, 28 * 86400, '{}'),
  ('pi', 'conventional', 10000, 28 * 86400, 56 * 86400, '{}'),
  ('administrator', 'conventional', 10000, 28 * 86400, 56 * 86400, '{}'),
  ('administrator', 'administrative', 10000, 28 * 86400, 56 * 86400,
    '{CAP_NET_RAW,CAP_NET_ADMIN,CAP_SYS_PTRACE,CAP_SYS_NICE,CAP_SYS_RESOURCE,CAP_DAC_READ_SEARCH,CAP_AUDIT_READ,CAP_SYSLOG}');
