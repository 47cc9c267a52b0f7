import type { KeyName } from "#shared/identity/key.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** One thing that was asked or done. `outcome` is "done", or the name of the fault that was answered. */
export type AuditEntry = {
  readonly atMilliseconds: number;
  /** Who asked: a key's name, "owner" for whoever has the machine, or "node" for what the node manager does by itself. */
  readonly peer: KeyName | "owner" | "node";
  readonly action: string;
  readonly outcome: string;
  readonly slice?: string;
  readonly lease?: string;
  readonly ticket?: string;
  readonly note?: string;
};

/** How many refusals are kept: enough to see what happened, too few to fill a disk (RELIABILITY I13). */
const REFUSALS_KEPT = 10_000;

export class AuditRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  record(tx: Tx, entry: AuditEntry): void {
    this.#db.write(
      tx,
      `insert into audit (at_milliseconds, peer, action, outcome, slice, lease, ticket, note)
       values (?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[entry.atMilliseconds, entry.peer, entry.action, entry.outcome],
      ...[entry.slice ?? null, entry.lease ?? null, entry.ticket ?? null, entry.note ?? null],
    );
  }

  /** The latest entries, newest first. */
  latest(limit: number): AuditEntry[] {
    return this.#db.all<AuditEntry>(
      `select at_milliseconds as atMilliseconds, peer, action, outcome, slice, lease, ticket, note
         from audit order by number desc limit ?`,
      limit,
    );
  }

  /** Forgets all but the latest refusals. */
  pruneRefusals(tx: Tx): void {
    this.#db.write(
      tx,
      `delete from audit where outcome <> 'done' and number <= (
         select number from audit where outcome <> 'done' order by number desc limit 1 offset ?)`,
      REFUSALS_KEPT,
    );
  }
}
