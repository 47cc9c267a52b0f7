import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { Fault } from "../model/errors.ts";
import { columnTypes } from "./column-types.ts";
import { storeFault } from "./database-errors.ts";
import type { Log } from "./log.ts";

/**
 * Statements against one database. SQL lives in store files only, values always go beside it (`$1`), never into it.
 * Rows come back typed: `bigint` as a number (refused beyond 2^53), `timestamptz` as seconds since 1970 (write it with
 * `to_timestamp($1)`), `bytea` as a Buffer, `numeric` and `date` as text; `timestamp` without a zone is refused.
 *
 * Throws STORE_DOWN (600) when the database cannot be reached or cannot work, BUSY (603) when it took too long;
 * violated constraints and mistakes in SQL come through as `pg.DatabaseError`.
 */
export type Queries = {
  /** All rows. */
  rows<Row extends object>(sql: Sql, values?: readonly unknown[]): Promise<Row[]>;
  /** The only row, or undefined. More than one is a mistake in the statement, and thrown. */
  row<Row extends object>(sql: Sql, values?: readonly unknown[]): Promise<Row | undefined>;
  /** How many rows were inserted, updated or deleted. */
  run(sql: Sql, values?: readonly unknown[]): Promise<number>;
};

/** A statement, or one with a name under which each connection prepares it once: for those that run often. */
export type Sql = string | { readonly name: string; readonly text: string };

/** A transaction in progress. Valid until the function that got it settles. */
export type Tx = Queries & { readonly transaction: true };

export type TransactionOptions = {
  /** By default "read committed", PostgreSQL's own. */
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
  /**
   * Run the function again when the database undid it for a deadlock or a serialization failure. Only where it does
   * nothing but statements: whatever else it does would be done twice.
   */
  readonly repeatable?: boolean;
};

export type Database = Queries &
  AsyncDisposable & {
    /** Commits what `work` did when it returns and undoes it when it throws. */
    transaction<T>(work: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>;
  };

export type DatabaseOptions = {
  /** The schema unqualified names are looked up in: the service's own. */
  readonly schema: string;
  readonly log?: Log;
  /** How many connections at most. */
  readonly connections?: number;
  /** How long a statement may take before it is cancelled with BUSY. */
  readonly statementMilliseconds?: number;
  /** PostgreSQL's own settings for every connection, such as `{ jit: "off" }`. Words without spaces. */
  readonly settings?: Readonly<Record<string, string>>;
};

/** Sends one statement and throws what `storeFault` makes of a failure. */
type Send = (statement: pg.QueryConfig) => Promise<pg.QueryResult>;

/** A connection knows its plans and catalogues: the first statements of a new one take ten times as long. */
const IDLE_MILLISECONDS = 300_000;
const CONNECTIONS = 10;
const STATEMENT_MILLISECONDS = 30_000;
const CONNECT_MILLISECONDS = 5_000;
const ATTEMPTS = 8;
const FIRST_PAUSE_MILLISECONDS = 4;
const SCHEMA = /^[a-z][a-z0-9_]{0,62}$/;

/** A pool of connections to `url`. Nothing connects before the first statement. */
export function openDatabase(url: string, options: DatabaseOptions): Database {
  if (!SCHEMA.test(options.schema)) throw new TypeError(`"${options.schema}" is not a name for a schema`);
  const statement = options.statementMilliseconds ?? STATEMENT_MILLISECONDS;
  const settings = Object.entries(options.settings ?? {}).map(([name, value]) => ` -c ${name}=${value}`);
  const pool = new pg.Pool({
    connectionString: url,
    max: options.connections ?? CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MILLISECONDS,
    idleTimeoutMillis: IDLE_MILLISECONDS,
    keepAlive: true,
    options: `-c search_path=${options.schema} -c timezone=UTC -c datestyle=ISO -c statement_timeout=${statement} -c idle_in_transaction_session_timeout=${2 * statement}${settings.join("")}`,
    query_timeout: 2 * statement, // a machine that vanished answers no timeouts of its own
    types: columnTypes,
  });
  // A connection that breaks while nobody uses it concerns nobody; in use, its statement fails.
  const broken = (error: Error) => options.log?.warn({ err: error }, "a connection to PostgreSQL broke");
  pool.on("error", broken);
  pool.on("connect", (client) => client.on("error", () => undefined));

  return {
    ...queries((statement) => borrowed(pool, (send) => send(statement))),
    transaction: (work, how = {}) => transaction(pool, work, how),
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

async function transaction<T>(
  pool: pg.Pool,
  work: (tx: Tx) => Promise<T>,
  { isolation = "read committed", repeatable = false }: TransactionOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await borrowed(pool, (send) => once(send, work, isolation));
    } catch (error) {
      if (!undone(error)) throw error;
      if (!repeatable || attempt === ATTEMPTS) {
        throw new Fault("BUSY", "too much was changing at once; try again", { cause: error });
      }
    }
    await pause(Math.random() * FIRST_PAUSE_MILLISECONDS * 2 ** attempt);
  }
}

async function once<T>(send: Send, work: (tx: Tx) => Promise<T>, isolation: string): Promise<T> {
  await send({ text: `begin isolation level ${isolation}` });
  let result: T;
  try {
    result = await work({ ...queries(send), transaction: true });
  } catch (error) {
    if (!isDown(error)) await send({ text: "rollback" });
    throw error;
  }
  // A transaction in which a statement failed is undone even if its author went on: PostgreSQL only says so here.
  const { command } = await send({ text: "commit" });
  if (command !== "COMMIT") throw new TypeError("a transaction went on after a statement in it had failed");
  return result;
}

/** Lends a connection for one use. One that broke is closed, which also undoes what it had begun. */
async function borrowed<T>(pool: pg.Pool, use: (send: Send) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error) => {
    throw storeFault(error);
  });
  let broken = false;
  try {
    return await use((statement) =>
      client.query(statement).catch((error) => {
        throw storeFault(error);
      }),
    );
  } catch (error) {
    broken = isDown(error);
    throw error;
  } finally {
    client.release(broken);
  }
}

function isDown(error: unknown): boolean {
  return error instanceof Fault && error.name === "STORE_DOWN";
}

/** Whether PostgreSQL undid the transaction for the sake of another one: 40001 serialization, 40P01 deadlock. */
function undone(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === "40001" || error.code === "40P01");
}

function queries(send: Send): Queries {
  const query = (sql: Sql, values: readonly unknown[] = []) =>
    send({ ...(typeof sql === "string" ? { text: sql } : sql), values: [...values] });
  return {
    rows: async <Row extends object>(sql: Sql, values?: readonly unknown[]) =>
      (await query(sql, values)).rows as Row[],
    row: async <Row extends object>(sql: Sql, values?: readonly unknown[]) => {
      const { rows } = await query(sql, values);
      if (rows.length > 1) throw new TypeError("a statement for one row found several");
      return rows[0] as Row | undefined;
    },
    run: async (sql, values) => (await query(sql, values)).rowCount ?? 0,
  };
}
