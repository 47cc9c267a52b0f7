-- How people, nodes and services become known: invitations that administrators give out, and what newcomers ask for.
-- Of an invitation's secret only the hash is here.

create table invitations (
  id text primary key check (id ~ '^[0-9a-f]{32}$'),
  secret_sha256 bytea not null unique check (octet_length(secret_sha256) = 32),
  kind text not null check (kind in ('person', 'node', 'service')),
  role role,
  label text constraint invitations_label_check check (label ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  site text constraint invitations_site_fkey references sites,
  addresses text[] not null default '{}',
  -- Whoever brings it is certified and registered at once.
  approves boolean not null,
  uses integer not null constraint invitations_uses_check check (uses between 1 and 10000),
  used integer not null default 0 check (used between 0 and uses),
  by text not null,
  created timestamptz not null,
  expires timestamptz not null,
  withdrawn timestamptz,
  constraint invitations_role_check check (
    case kind
      when 'person' then role is not null and role in ('researcher', 'pi', 'administrator')
      when 'node' then role is not null and role = 'node'
      else role is null or role = 'agent'
    end),
  constraint invitations_for_one check (uses = 1 or (label is null and cardinality(addresses) = 0)),
  -- What nobody looks at says itself which addresses are certified: they would be the newcomer's choice otherwise.
  constraint invitations_approving check (not approves or kind = 'person' or cardinality(addresses) > 0),
  constraint invitations_person check (kind <> 'person' or cardinality(addresses) = 0)
);

create table enrolments (
  id text primary key check (id ~ '^[0-9a-f]{32}$'),
  -- Asking again with the same key is asking once.
  key key_name not null unique,
  csr text not null check (length(csr) <= 16384),
  kind text not null check (kind in ('person', 'node', 'service')),
  invitation text references invitations,
  -- What the newcomer says of itself: for an administrator to read, and to be granted or not.
  wished_name text,
  wished_address text,
  note text,
  came_from text not null,
  asked timestamptz not null,
  expires timestamptz not null,
  state text not null check (state in ('waiting', 'approved', 'refused')),
  decided timestamptz,
  by text,
  reason text,
  certificate text,
  check ((state = 'waiting') = (decided is null)),
  check ((state = 'approved') = (certificate is not null))
);

create index enrolments_by_state on enrolments (state, expires);
