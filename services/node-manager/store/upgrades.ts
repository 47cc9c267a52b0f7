import type { DatabaseSync } from "node:sqlite";
import { BEFORE_FIRST, type ChainHead, hashAfter } from "#shared/wire/audit-chain.ts";
import { AUDIT_COLUMNS, type AuditRecord, auditContent } from "./audit-record.ts";

/**
 * What was added to the store since its first version, in order and never changed once it was released: a store of an
 * earlier version is brought up to date, in one transaction, when it is opened. Each makes the version one higher.
 */
export const UPGRADES: readonly ((sqlite: DatabaseSync) => void)[] = [
  addOwnersWord,
  chainAudit,
  addRevocations,
  addMembers,
  addOwnersEndings,
];

function addOwnersWord(sqlite: DatabaseSync): void {
  sqlite.exec(`
-- Leases whose slivers are stopped and kept, and who wants that: while one row is here, the sliver does not run.
create table suspensions (
  lease text not null references leases (serial) on delete cascade,
  wanted_by text not null check (wanted_by in ('owner', 'revocation')),
  since integer not null,
  reason text not null,
  primary key (lease, wanted_by)
) strict, without rowid;

-- Slices and principals that the node's owner does not want: nothing of theirs is redeemed or renewed.
create table bans (
  kind text not null check (kind in ('slice', 'principal')),
  name text not null,
  since integer not null,
  reason text not null,
  primary key (kind, name)
) strict, without rowid;
`);
}

/** What was done before stands at the chain's beginning. */
function chainAudit(sqlite: DatabaseSync): void {
  sqlite.exec(`
-- What was done is a chain (shared/wire/audit-chain.ts). Refusals are outside of it: they are forgotten in time.
alter table audit add column position integer;
alter table audit add column hash text;
create unique index audit_chain on audit (position) where position is not null;

create table audit_heads (
  position integer primary key,
  hash text not null,
  sealed integer not null,
  key text not null,
  signature blob not null
) strict;
`);
  const done = sqlite.prepare(`select ${AUDIT_COLUMNS} from audit where outcome = 'done' order by number`);
  const write = sqlite.prepare("update audit set position = ?, hash = ? where number = ?");
  let last: ChainHead = BEFORE_FIRST;
  for (const record of done.all() as unknown as AuditRecord[]) {
    last = { position: last.position + 1, hash: hashAfter(last, auditContent(record)) };
    write.run(last.position, last.hash, record.number);
  }
}

function addRevocations(sqlite: DatabaseSync): void {
  sqlite.exec(`
-- What is revoked: the latest list of each signer (WIRE.md §1, Revocations), and the key it is verified with.
create table revocation_lists (
  signer text primary key,
  role text not null check (role in ('authority', 'agent', 'node')),
  id text not null,
  number integer not null,
  key blob not null,
  document text not null,
  received_at integer not null
) strict, without rowid;

-- A second list with the number of one that was there: its signer said two things at once.
create table revocation_conflicts (
  signer text primary key,
  number integer not null,
  id text not null,
  document text not null,
  received_at integer not null
) strict, without rowid;
`);
}

function addMembers(sqlite: DatabaseSync): void {
  sqlite.exec(`
-- Who may do with a lease what its principal may: its principal first, unless it was put out since.
create table lease_members (
  lease text not null references leases (serial) on delete cascade,
  principal text not null,
  since integer not null,
  primary key (lease, principal)
) strict, without rowid;
insert into lease_members (lease, principal, since) select serial, principal, charged_from from leases;

-- Who let a key in: it goes when that member goes.
alter table ssh_keys add column added_by text;
update ssh_keys set added_by = (select principal from leases where serial = lease);

-- What agents said of the members of their slices: whom they put out, and up to which of their changes that is known.
create table exclusions (
  agent text not null,
  slice text not null,
  principal text not null,
  primary key (agent, slice, principal)
) strict, without rowid;
create table membership_marks (
  agent text primary key,
  number integer not null
) strict, without rowid;
`);
}

function addOwnersEndings(sqlite: DatabaseSync): void {
  sqlite.exec(`
-- Leases that the node's owner ended before their time: what the node's own list of revocations names, until a time at which
-- they would be over for everybody anyway.
create table owners_endings (
  lease text primary key,
  since integer not null,
  keep_until integer not null
) strict, without rowid;
`);
}
