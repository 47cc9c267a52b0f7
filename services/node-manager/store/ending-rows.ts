import type { Instant } from "#shared/model/time.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** A lease, by its serial, that the node's owner ended before its time. */
export type OwnersEnding = { readonly lease: string; readonly since: Instant };

export class EndingRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  /** Those that could otherwise still matter at this time. */
  all(now: Instant): OwnersEnding[] {
    const sql = "select lease, since from owners_endings where keep_until > ? order by lease";
    return this.#db.all<OwnersEnding>(sql, now);
  }

  add(tx: Tx, { lease, since }: OwnersEnding, keepUntil: Instant): void {
    const sql =
      "insert into owners_endings (lease, since, keep_until) values (?, ?, ?) on conflict (lease) do nothing";
    this.#db.write(tx, sql, lease, since, keepUntil);
  }

  /** Forgets those that matter no more. */
  prune(tx: Tx, now: Instant): void {
    this.#db.write(tx, "delete from owners_endings where keep_until <= ?", now);
  }
}
