-- Tickets that were over before their time, by the end of that: what a slice may be missing.
create index tickets_over_early on tickets (counted_to)
  where state in ('ended', 'unredeemed', 'cancelled') and released is null;
