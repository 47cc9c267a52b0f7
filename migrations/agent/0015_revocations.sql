-- What is revoked: by the authority, which names keys, and by this agent, which names principals and tickets of its own.

-- The latest signed list of each signer.
create table revocation_lists (
  signer key_name primary key,
  role text not null check (role in ('authority', 'agent')),
  id key_name not null,
  number bigint not null check (number >= 0),
  public_key bytea not null,
  document text not null,
  received timestamptz not null
);

-- A second list with the number of one that was there: its signer said two things at once.
create table revocation_conflicts (
  signer key_name primary key,
  number bigint not null,
  id key_name not null,
  document text not null,
  received timestamptz not null
);

-- What the lists name. A ticket's entry is left out of this agent's next list once the ticket can no longer be valid.
create table revoked (
  signer key_name not null,
  kind text not null check (kind in ('key', 'principal', 'ticket')),
  id key_name not null,
  since timestamptz not null,
  until timestamptz not null default 'infinity',
  primary key (kind, id, signer)
);

create index revoked_by_signer on revoked (signer);

-- Which list of each signer a node has said that it has.
create table revocations_delivered (
  node key_name not null references nodes,
  signer key_name not null,
  number bigint not null,
  primary key (node, signer)
);

-- Whoever is revoked is suspended for good: what is refused to the suspended, under whatever lock, is refused to them.
alter table principals
  add column revoked timestamptz,
  add constraint principals_revoked_suspended check (revoked is null or suspended);

-- A key that was revoked is nobody's any more, and nobody is entered with it. Whoever writes down what is revoked holds
-- the lock alone, and so sees every principal that was entered before, and is seen by every one that is entered after.
create function refuse_revoked_key() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(hashtext('slicelab revoked'));
  perform from revoked r where r.id = new.name and r.kind in ('key', 'principal');
  if found then
    raise exception 'the key was revoked' using errcode = 'check_violation', constraint = 'principals_not_revoked';
  end if;
  return new;
end $$;

create trigger refuse_revoked_key before insert or update of name on principals
  for each row execute function refuse_revoked_key();
