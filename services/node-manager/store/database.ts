import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

/**
 * The store can't be relied on any more: reading or writing failed, or a commit's outcome is unknown. Whoever meets it
 * says nothing to anybody and ends the process; the next one reads what is really there (RELIABILITY.md, Order of
 * writing).
 */
export class StoreFailure extends Error {
  override readonly name = "StoreFailure";
}

/** Proof of being inside a transaction: everything that writes asks for one. Only `transaction` makes it. */
export type Tx = { readonly [inside]: true };
declare const inside: unique symbol;

/** SQLite's results that mean a mistake of ours, after which the store is as good as before. */
const OUR_MISTAKE: ReadonlySet<number> = new Set([1, 19, 20, 21, 25]); // ERROR CONSTRAINT MISMATCH MISUSE RANGE

/**
 * One connection to the node's file. Synchronous, so that a transaction is one piece of work that nothing comes
 * between; a commit is on the disk when it returns.
 */
export class StoreDatabase {
  readonly #sqlite: DatabaseSync;
  readonly #onFailure: (failure: StoreFailure) => void;
  readonly #statements = new Map<string, StatementSync>();
  #inTransaction = false;
  #failure: StoreFailure | undefined;

  constructor(sqlite: DatabaseSync, onFailure: (failure: StoreFailure) => void) {
    this.#sqlite = sqlite;
    this.#onFailure = onFailure;
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#guarded(() => this.#prepared(sql).all(...values)) as Row[];
  }

  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#guarded(() => this.#prepared(sql).get(...values)) as Row | undefined;
  }

  /** Changes rows and says how many. */
  write(_tx: Tx, sql: string, ...values: SQLInputValue[]): number {
    return this.#guarded(() => Number(this.#prepared(sql).run(...values).changes));
  }

  /** Writes one row and gives the number it got. */
  insert(_tx: Tx, sql: string, ...values: SQLInputValue[]): number {
    return this.#guarded(() => Number(this.#prepared(sql).run(...values).lastInsertRowid));
  }

  /** Runs `work` as one durable change: all of it, or, when it throws, nothing. */
  transaction<T>(work: (tx: Tx) => T): T {
    if (this.#inTransaction) throw new Error("a transaction was begun inside another");
    this.#guarded(() => this.#sqlite.exec("BEGIN IMMEDIATE"));
    this.#inTransaction = true;
    try {
      const result = work({} as Tx);
      this.#guarded(() => this.#sqlite.exec("COMMIT"));
      return result;
    } catch (error) {
      if (!this.#failure) this.#guarded(() => this.#sqlite.exec("ROLLBACK"));
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  close(): void {
    this.#sqlite.close();
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#sqlite.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #guarded<T>(operation: () => T): T {
    if (this.#failure) throw this.#failure;
    try {
      return operation();
    } catch (cause) {
      const code = resultCode(cause);
      if (code === undefined || OUR_MISTAKE.has(code)) throw cause;
      this.#failure = new StoreFailure(`the store failed: ${(cause as Error).message}`, { cause });
      this.#onFailure(this.#failure);
      throw this.#failure;
    }
  }
}

/** SQLite's primary result code of an error (https://sqlite.org/rescode.html), undefined for other errors. */
export function resultCode(error: unknown): number | undefined {
  const { code, errcode } = error as { code?: string; errcode?: number };
  return code === "ERR_SQLITE_ERROR" && errcode !== undefined ? errcode & 0xff : undefined;
}
