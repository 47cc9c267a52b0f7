/** Says in the file's header that it is a node manager's store ("SLnm"). */
export const APPLICATION_ID = 0x534c6e6d;

/** The version of `SCHEMA`; what came later is in `upgrades.ts`. */
export const FIRST_VERSION = 1;

/**
 * Everything a node knows, as it was first; it is never changed, only added to (`upgrades.ts`). Times are whole seconds UTC. Documents are kept whole, as they were signed: whatever a
 * column repeats of one is compared with it when the store is opened.
 */
export const SCHEMA = `
-- Whose store this is, and the greatest time it has seen.
create table store (
  one integer primary key check (one = 1),
  node text not null,
  created_at integer not null,
  latest_time integer not null,
  -- Set when what agents remember may be newer than this store: unknown machines are then never destroyed.
  restored_at integer
) strict;

-- A lease from the moment it is promised to the moment its machine is gone. One a name: a second cannot be written.
create table leases (
  serial text primary key,
  slice text not null unique,
  principal text not null,
  sliver text not null unique,
  state text not null check (state in ('creating', 'live', 'deleting', 'undoing')),
  engine text not null,
  start_time integer not null,
  end_time integer not null check (end_time > start_time),
  renewable_until integer not null check (renewable_until >= end_time),
  -- The length a renewal without an end adds: that of the ticket redeemed.
  original_length integer not null check (original_length > 0),
  -- From when on the lease counts, never after it was made.
  charged_from integer not null,
  cpu_millis integer not null check (cpu_millis >= 0),
  memory_mib integer not null check (memory_mib >= 0),
  disk_mib integer not null check (disk_mib >= 0),
  egress_kbps integer not null check (egress_kbps >= 0),
  document text not null
) strict, without rowid;

-- Tickets that were spent, in whatever way: while a row is here, that ticket is never redeemed (again).
create table tickets (
  id text primary key,
  principal text not null,
  spent_by text not null check (spent_by in ('redemption', 'renewal', 'cancellation')),
  lease text,
  agent text,
  -- The ticket without the documents above it, where it was redeemed: with the holdings, evidence of who issued it.
  document text,
  -- The holding it was split from.
  parent text,
  keep_until integer not null,
  check ((lease is null) = (spent_by = 'cancellation')),
  check ((document is null) = (spent_by = 'cancellation')),
  check ((document is null) = (parent is null))
) strict, without rowid;
create index tickets_of_lease on tickets (lease);

-- Every holding seen above a redeemed ticket, roots included. Holdings of one account carry one label.
create table holdings (
  id text primary key,
  parent text references holdings (id),
  replaces text,
  issuer text not null,
  principal text not null,
  account text not null,
  start_time integer not null,
  end_time integer not null,
  keep_until integer not null,
  cpu_millis integer not null,
  memory_mib integer not null,
  disk_mib integer not null,
  egress_kbps integer not null,
  slivers integer not null,
  document text not null,
  closed_at integer
) strict, without rowid;
create index holdings_by_party on holdings (issuer, principal, replaces);
create index holdings_of_account on holdings (account);

-- Which holdings a lease counts against, and when. An account is a join of this.
create table charges (
  lease text not null references leases (serial) on delete cascade,
  holding text not null references holdings (id),
  from_time integer not null,
  until_time integer not null check (until_time > from_time),
  primary key (lease, holding, from_time)
) strict, without rowid;
create index charges_of_holding on charges (holding);

-- The node's own root tickets in the order they were signed, and to which agent each was given.
create table roots (
  number integer primary key autoincrement,
  id text not null unique references holdings (id) on delete cascade,
  agent text not null,
  signed_at integer not null,
  disowned_at integer
) strict;

-- What agents must still be told of tickets, in order.
create table outbox (
  number integer primary key autoincrement,
  agent text not null,
  ticket text not null,
  event text not null check (event in ('redeemed', 'unredeemed', 'cancelled', 'ended')),
  queued_at integer not null
) strict;
create index outbox_of_agent on outbox (agent, number);

-- Keys that may enter a slice's sliver. The first one came with the virtual machine.
create table ssh_keys (
  lease text not null references leases (serial) on delete cascade,
  type text not null,
  blob text not null,
  initial integer not null check (initial in (0, 1)),
  added_at integer not null,
  primary key (lease, type, blob)
) strict, without rowid;

-- Answers to calls with a request_id. One that waits for a lease to be gone is not given before.
create table replies (
  peer text not null,
  signer text not null,
  method text not null,
  request_id text not null,
  arguments_hash text not null,
  reply blob not null,
  keep_until integer not null,
  waits_for text,
  primary key (peer, signer, method, request_id)
) strict, without rowid;
create index replies_waiting on replies (waits_for) where waits_for is not null;

-- Machines found that no lease explains: stopped and kept, destroyed only later.
create table quarantine (
  sliver text primary key,
  engine text not null,
  since integer not null
) strict, without rowid;

-- What was asked by whom and what came of it.
create table audit (
  number integer primary key autoincrement,
  at_milliseconds integer not null,
  peer text not null,
  action text not null,
  outcome text not null,
  slice text,
  lease text,
  ticket text,
  note text
) strict;
create index audit_refusals on audit (number) where outcome <> 'done';
`;
