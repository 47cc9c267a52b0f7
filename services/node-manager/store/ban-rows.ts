import type { Instant } from "#shared/model/time.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** Whom the node's owner does not want: every slice of that name, or everything of that key. */
export type Ban = {
  readonly kind: "slice" | "principal";
  readonly name: string;
  readonly since: Instant;
  readonly reason: string;
};

export class BanRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  all(): Ban[] {
    return this.#db.all("select kind, name, since, reason from bans order by since, name");
  }

  find({ kind, name }: Pick<Ban, "kind" | "name">): Ban | undefined {
    return this.#db.get("select kind, name, since, reason from bans where kind = ? and name = ?", kind, name);
  }

  /** Whether it is new; what was said before stays. */
  add(tx: Tx, { kind, name, since, reason }: Ban): boolean {
    const sql = "insert into bans (kind, name, since, reason) values (?, ?, ?, ?) on conflict do nothing";
    return this.#db.write(tx, sql, kind, name, since, reason) === 1;
  }

  /** Whether it was there. */
  remove(tx: Tx, { kind, name }: Pick<Ban, "kind" | "name">): boolean {
    return this.#db.write(tx, "delete from bans where kind = ? and name = ?", kind, name) === 1;
  }
}
