import { randomBytes } from "node:crypto";
import { link, mkdir, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { KeyName } from "#shared/identity/key.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import { syncDirectory } from "#shared/runtime/durable-file.ts";
import { resultCode } from "./database.ts";
import { APPLICATION_ID, SCHEMA, SCHEMA_VERSION } from "./schema.ts";

const BUSY = 5; // SQLITE_BUSY
/** A node manager that is being replaced may take a moment to let go. */
const WAIT_FOR_LOCK_MILLISECONDS = 3_000;

/**
 * Opens the store at `path`, making it only where there is nothing at all: what is there and can't be read, is another
 * program's, another node's or another version's stops the start and is left as it is (RELIABILITY I10). The file is
 * locked until it is closed, so a second node manager is refused.
 */
export async function openStoreFile(path: string, node: KeyName, now: Instant): Promise<DatabaseSync> {
  if (!(await exists(path))) await createStoreFile(path, node, now);
  const sqlite = new DatabaseSync(path);
  try {
    lock(sqlite);
    checkHeader(sqlite);
    sqlite.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    checkContents(sqlite, node);
    return sqlite;
  } catch (cause) {
    sqlite.close();
    throw refusalFor(path, cause);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw new OperatorError(`the store ${path} can't be read: ${(error as Error).message}`, { cause: error });
  }
}

/** A new store appears whole or not at all, and never in place of another. */
async function createStoreFile(path: string, node: KeyName, now: Instant): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const unfinished = `${path}.${randomBytes(6).toString("hex")}.unfinished`;
  try {
    const sqlite = new DatabaseSync(unfinished);
    sqlite.exec(`PRAGMA synchronous = FULL; PRAGMA application_id = ${APPLICATION_ID}`);
    sqlite.exec(`BEGIN; ${SCHEMA}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
    sqlite
      .prepare("insert into store (one, node, created_at, latest_time) values (1, ?, ?, ?)")
      .run(node, now, now);
    sqlite.close();
    await link(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
  await syncDirectory(dirname(path));
}

function lock(sqlite: DatabaseSync): void {
  sqlite.exec(`PRAGMA busy_timeout = ${WAIT_FOR_LOCK_MILLISECONDS}; PRAGMA locking_mode = EXCLUSIVE`);
  sqlite.exec("BEGIN EXCLUSIVE; COMMIT");
}

function checkHeader(sqlite: DatabaseSync): void {
  const application = numberOf(sqlite, "application_id");
  if (application !== APPLICATION_ID) throw new OperatorError("it is not a node manager's store");
  const version = numberOf(sqlite, "user_version");
  if (version !== SCHEMA_VERSION) {
    throw new OperatorError(`it has version ${version}; this node manager reads ${SCHEMA_VERSION}`);
  }
}

function checkContents(sqlite: DatabaseSync, node: KeyName): void {
  const [check] = sqlite.prepare("PRAGMA integrity_check").all() as { integrity_check: string }[];
  if (check?.integrity_check !== "ok") throw new OperatorError(`it is damaged: ${check?.integrity_check}`);
  const row = sqlite.prepare("select node from store").get() as { node: string } | undefined;
  if (row?.node !== node) {
    throw new OperatorError(`it belongs to the node ${row?.node}, and this node's key is ${node}`);
  }
}

function numberOf(sqlite: DatabaseSync, pragma: string): number {
  return Number(sqlite.prepare(`PRAGMA ${pragma}`).get()![pragma]);
}

function refusalFor(path: string, cause: unknown): Error {
  const found = resultCode(cause);
  if (found === BUSY) {
    return new OperatorError(`the store ${path} is in use by another node manager`, { cause });
  }
  if (found === undefined && !(cause instanceof OperatorError)) return cause as Error;
  return new OperatorError(
    `the store ${path} can't be used: ${(cause as Error).message}. Nothing was changed; restore it, or move it away ` +
      "to begin anew, knowing that the slivers it speaks of are then unknown and will be quarantined",
    { cause },
  );
}
