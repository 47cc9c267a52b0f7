import type { Instant } from "#shared/model/time.ts";
import type { SliverId } from "../backends/backend.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** A machine that no lease explains, stopped and kept. */
export type Quarantined = { readonly sliver: SliverId; readonly engine: string; readonly since: Instant };

export class QuarantineRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  all(): Quarantined[] {
    return this.#db.all<Quarantined>("select sliver, engine, since from quarantine order by since, sliver");
  }

  /** Whether it is new there. */
  add(tx: Tx, sliver: SliverId, engine: string, now: Instant): boolean {
    const sql = "insert into quarantine (sliver, engine, since) values (?, ?, ?) on conflict do nothing";
    return this.#db.write(tx, sql, sliver, engine, now) === 1;
  }

  remove(tx: Tx, sliver: SliverId): void {
    this.#db.write(tx, "delete from quarantine where sliver = ?", sliver);
  }
}
