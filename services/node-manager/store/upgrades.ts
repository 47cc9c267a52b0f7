import type { DatabaseSync } from "node:sqlite";

/**
 * What was added to the store since its first version, in order and never changed once it was released: a store of an
 * earlier version is brought up to date, in one transaction, when it is opened. Each makes the version one higher.
 */
export const UPGRADES: readonly ((sqlite: DatabaseSync) => void)[] = [addOwnersWord];

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
