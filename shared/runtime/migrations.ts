import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OperatorError } from "../model/errors.ts";
import { type Database, openDatabase, type Tx } from "./database.ts";
import type { Log } from "./log.ts";

/** One numbered file of `migrations/<service>/`. */
export type Migration = { readonly name: string; readonly sql: string; readonly sha256: string };

const FOLDER = fileURLToPath(new URL("../../migrations/", import.meta.url));
/** For the slowest statement, which may be waiting for another process to migrate. */
const PATIENCE_MILLISECONDS = 600_000;

const FILE = /^(\d{4})_[a-z0-9_]+\.sql$/;

/**
 * Brings the schema `service` of the database at `url` to what `migrations/<service>/` describes and says which files
 * that took. One transaction: all of them or none. Any number of processes may do it at once; the first does the work.
 * Refuses to touch a database whose history is not the beginning of the files here: one that a newer version has
 * migrated, or one made from a file that was edited since.
 */
export async function migrate(url: string, service: string, log?: Log): Promise<string[]> {
  const files = await migrationsOf(service);
  await using database = openDatabase(url, {
    schema: service,
    connections: 1,
    statementMilliseconds: PATIENCE_MILLISECONDS,
    log,
  });
  const names = await apply(database, service, files);
  if (names.length > 0) log?.info({ migrations: names }, `brought the schema ${service} up to date`);
  return names;
}

/** The files of one service in the order in which they apply. */
export async function migrationsOf(service: string, folder = FOLDER): Promise<Migration[]> {
  const names = (await readdir(join(folder, service))).sort();
  return Promise.all(
    names.map(async (name, index) => {
      if (Number(FILE.exec(name)?.[1]) !== index + 1) {
        throw new OperatorError(
          `${service}/${name} is misnumbered: migrations are 0001_words.sql, 0002_words.sql and so on`,
        );
      }
      const sql = await readFile(join(folder, service, name), "utf8");
      return { name, sql, sha256: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

/** As `migrate`, with the files given. */
export function apply(database: Database, schema: string, files: readonly Migration[]): Promise<string[]> {
  return database.transaction(async (tx) => {
    await tx.run("select pg_advisory_xact_lock(hashtextextended('slicelab migrations', 0))");
    await tx.run(`create schema if not exists ${schema}`);
    await tx.run(
      "create table if not exists migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default now())",
    );
    const missing = await notApplied(tx, files);
    for (const { name, sql, sha256 } of missing) {
      await tx.run(sql);
      await tx.run("insert into migrations (name, sha256) values ($1, $2)", [name, sha256]);
    }
    return missing.map(({ name }) => name);
  });
}

async function notApplied(tx: Tx, files: readonly Migration[]): Promise<Migration[]> {
  const applied = await tx.rows<{ name: string; sha256: string }>(
    "select name, sha256 from migrations order by name",
  );
  for (const [index, { name, sha256 }] of applied.entries()) {
    const file = files[index];
    if (file?.name !== name) {
      throw new OperatorError(
        `the database has the migration ${name}, which is not here: run the version that made it, or a later one`,
      );
    }
    if (file.sha256 !== sha256) {
      throw new OperatorError(
        `the migration ${name} was edited after it was applied to this database: restore it, and put the change into a new file`,
      );
    }
  }
  return files.slice(applied.length);
}
