import { randomBytes } from "node:crypto";
import { link, mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { KeyName } from "#shared/identity/key.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import { syncDirectory } from "#shared/runtime/durable-file.ts";
import { resultCode } from "./database.ts";
import { APPLICATION_ID, FIRST_VERSION, SCHEMA } from "./schema.ts";
import { UPGRADES } from "./upgrades.ts";

const BUSY = 5; // SQLITE_BUSY
/** https://sqlite.org/fileformat.html §1.3 */
const HEADER_BYTES = 100;
const MAGIC = "SQLite format 3\0";
const USER_VERSION_AT = 60;
const APPLICATION_ID_AT = 68;
/** What this program reads and writes. A store of a later version is refused, never guessed at. */
const VERSION = FIRST_VERSION + UPGRADES.length;
/** A node manager that is being replaced may take a moment to let go. */
const WAIT_FOR_LOCK_MILLISECONDS = 3_000;

/**
 * Opens the store at `path`, making it only where there is nothing at all: what is there and can't be read, is another
 * program's, another node's or another version's stops the start and is left as it is (RELIABILITY I10). The file is
 * locked until it is closed, so a second node manager is refused.
 */
export async function openStoreFile(path: string, node: KeyName, now: Instant): Promise<DatabaseSync> {
  const header = await readHeader(path);
  if (header) checkHeader(path, header);
  else await createStoreFile(path, node, now);
  const sqlite = new DatabaseSync(path);
  try {
    lock(sqlite);
    sqlite.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    checkContents(sqlite, node);
    bringUpToDate(sqlite);
    return sqlite;
  } catch (cause) {
    sqlite.close();
    throw refusalFor(path, cause);
  }
}

/** The first bytes of the file, or nothing where there is no file. SQLite would write to an empty one. */
async function readHeader(path: string): Promise<Buffer | undefined> {
  try {
    await using file = await open(path, "r");
    const { bytesRead, buffer } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw refusalFor(path, new OperatorError(`it can't be read (${(cause as NodeJS.ErrnoException).code})`));
  }
}

/** Looks at the header as SQLite's file format has it, so that what is another's is not even opened. */
function checkHeader(path: string, header: Buffer): void {
  const whole = header.length === HEADER_BYTES && header.toString("latin1", 0, MAGIC.length) === MAGIC;
  if (!whole || header.readUInt32BE(APPLICATION_ID_AT) !== APPLICATION_ID) {
    throw refusalFor(path, new OperatorError("it is not a node manager's store"));
  }
  const version = header.readUInt32BE(USER_VERSION_AT);
  if (version < FIRST_VERSION || version > VERSION) {
    const reason = `it has version ${version}; this node manager reads ${FIRST_VERSION} to ${VERSION}`;
    throw refusalFor(path, new OperatorError(reason));
  }
}

/** A new store appears whole or not at all, and never in place of another. */
async function createStoreFile(path: string, node: KeyName, now: Instant): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const unfinished = `${path}.${randomBytes(6).toString("hex")}.unfinished`;
  try {
    const sqlite = new DatabaseSync(unfinished);
    sqlite.exec(`PRAGMA synchronous = FULL; PRAGMA application_id = ${APPLICATION_ID}`);
    sqlite.exec(`BEGIN; ${SCHEMA}; PRAGMA user_version = ${FIRST_VERSION}; COMMIT`);
    bringUpToDate(sqlite);
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

/** A store of an earlier version becomes one of this version whole, or stays what it was. */
function bringUpToDate(sqlite: DatabaseSync): void {
  const { user_version: version } = sqlite.prepare("PRAGMA user_version").get() as { user_version: number };
  if (version === VERSION) return;
  sqlite.exec("BEGIN IMMEDIATE");
  try {
    for (const upgrade of UPGRADES.slice(version - FIRST_VERSION)) upgrade(sqlite);
    sqlite.exec(`PRAGMA user_version = ${VERSION}; COMMIT`);
  } catch (error) {
    sqlite.exec("ROLLBACK");
    throw error;
  }
}

function lock(sqlite: DatabaseSync): void {
  sqlite.exec(`PRAGMA busy_timeout = ${WAIT_FOR_LOCK_MILLISECONDS}; PRAGMA locking_mode = EXCLUSIVE`);
  sqlite.exec("BEGIN EXCLUSIVE; COMMIT");
}

function checkContents(sqlite: DatabaseSync, node: KeyName): void {
  const [check] = sqlite.prepare("PRAGMA integrity_check").all() as { integrity_check: string }[];
  if (check?.integrity_check !== "ok") throw new OperatorError(`it is damaged: ${check?.integrity_check}`);
  const row = sqlite.prepare("select node from store").get() as { node: string } | undefined;
  if (row?.node !== node) {
    throw new OperatorError(`it belongs to the node ${row?.node}, and this node's key is ${node}`);
  }
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
