-- What failed and is tried again: an ask by its request id, an acquisition by its id, giving back by the agent's identity.
create table retries (
  what text primary key,
  failures int not null check (failures >= 1),
  next_try timestamptz not null,
  -- Of the last failure, for whoever waits for it.
  reason text not null,
  -- After this nobody tries it any more.
  over timestamptz not null
);
