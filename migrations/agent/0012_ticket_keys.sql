-- Ticket keys come and go: one takes over from another, which is forgotten when nothing stands on it any more.

alter table ticket_keys
  -- Since when nothing is split from what was given to it, and its nodes are asked to close that.
  add column closing timestamptz,
  -- When it was forgotten. Its private half is gone since.
  add column dropped timestamptz;

-- When its node said that it had closed it: nothing is redeemed beneath it since.
alter table holdings add column closed timestamptz;

create index holdings_of_ticket_key on holdings (principal, term_end) where closed is null;
