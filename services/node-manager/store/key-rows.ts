import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { SshKey } from "../ssh/gateway.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** Who let a key in, when, and whether with the virtual machine. */
export type KeyOrigin = { readonly initial: boolean; readonly by: KeyName; readonly now: Instant };

/** SSH keys of leases, type and blob alone. They go with their lease. */
export class KeyRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  ofLease(serial: string): SshKey[] {
    const sql = "select type, blob from ssh_keys where lease = ? order by added_at, type, blob";
    return this.#db.all<SshKey>(sql, serial);
  }

  /** Adds a key; one that is there already stays. `initial`: it came with the virtual machine and survives `nuke`. */
  add(tx: Tx, serial: string, key: SshKey, { initial, by, now }: KeyOrigin): void {
    this.#db.write(
      tx,
      `insert into ssh_keys (lease, type, blob, initial, added_at, added_by) values (?, ?, ?, ?, ?, ?)
       on conflict (lease, type, blob) do update set initial = max(initial, excluded.initial)`,
      ...[serial, key.type, key.blob, initial ? 1 : 0, now, by],
    );
  }

  remove(tx: Tx, serial: string, key: SshKey): void {
    const sql = "delete from ssh_keys where lease = ? and type = ? and blob = ?";
    this.#db.write(tx, sql, serial, key.type, key.blob);
  }

  /** Removes all keys but those that came with the virtual machine. */
  nuke(tx: Tx, serial: string): void {
    this.#db.write(tx, "delete from ssh_keys where lease = ? and initial = 0", serial);
  }

  count(serial: string): number {
    const sql = "select count(*) as count from ssh_keys where lease = ?";
    return this.#db.get<{ count: number }>(sql, serial)!.count;
  }
}
