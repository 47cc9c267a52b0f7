-- Requests that principals signed for a broker (WIRE.md §1): how many tickets each has brought, whatever became of them,
-- so that no number of calls, by whomever, brings more than it describes.
create table requests (
  principal key_name not null references principals,
  serial text not null check (serial ~ '^[0-9a-f]{32}$'),
  -- The SHA-256 of its body: a serial stands for one request and no other.
  document key_name not null,
  broker key_name not null,
  -- The nodes it describes, standbys included.
  described integer not null check (described > 0),
  issued integer not null,
  ends timestamptz not null,
  primary key (principal, serial),
  constraint requests_bounded check (issued between 0 and described)
);

create index requests_by_end on requests (ends);

-- Tickets that a broker asked for: it may give them back as their principal may. Inserted with them.
create table requested_tickets (
  ticket text primary key,
  broker text not null,
  serial text not null
);
