-- A slice has members beside its owner: they get tickets for it as the owner does. Who was one and is one no more is kept,
-- so that every node hears of it.
create table slice_members (
  slice text not null references slices,
  principal key_name not null references principals,
  since timestamptz not null,
  -- When it was put out; null: a member.
  removed timestamptz,
  -- Rises with every change; given out under a lock on the table, so that whoever has heard of one has heard of all before.
  number bigint not null unique,
  primary key (slice, principal)
);

create index members_of_slices on slice_members (principal) where removed is null;

-- As before, and its members may use a name beside its owner. Whose it is and who its members are is locked until the tickets
-- are written, and so is the owner, whose quotas are about to be counted.
create or replace function hold_name(
  slice_name text, who text, now timestamptz, holding_ids text[], most_nodes integer
) returns void language plpgsql as $$
declare
  owner text;
begin
  insert into slices (name, principal, since) values (slice_name, who, now)
  on conflict (name) do update set since = slices.since
  returning principal into owner;
  if owner <> who then
    perform from slice_members m join principals p on p.name = owner
    where m.slice = slice_name and m.principal = who and m.removed is null
    for share of m, p;
    if not found then raise exception 'the name is taken' using errcode = 'SL001'; end if;
  end if;

  perform from (
    select c.node from charges c where c.slice = slice_name and c.counted_to > now
    union
    select h.node from holdings h where h.id = any(holding_ids)
  ) as then_held having count(*) > most_nodes;
  if found then raise exception 'the slice has grown' using errcode = 'SL001'; end if;
end $$;

-- As before, but what a slice has counts for its owner, whichever member asks for it.
create or replace function check_quotas(
  who text, slice_name text, lease_seconds bigint, now timestamptz, cpu bigint, memory bigint, disk bigint, egress bigint
) returns void language plpgsql as $$
declare
  owner text;
begin
  select s.principal into owner from slices s where s.name = slice_name;
  perform from (
    select q.id from quotas q
    where q.principal = owner or q.site = (select p.site from principals p where p.name = owner)
    order by q.id for update
  ) as locked;
  if not found then return; end if;
  perform from quota_excess(owner, slice_name, '{}', lease_seconds, now, cpu, memory, disk, egress);
  if found then raise exception 'a quota is used up' using errcode = 'SL001'; end if;
end $$;
