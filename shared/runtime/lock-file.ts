import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../model/errors.ts";

const BUSY = 5; // SQLITE_BUSY
const ASK_AGAIN_MILLISECONDS = 50;

/**
 * Takes the lock at `path` (a file made for nothing else) until it is disposed of, forgotten, or this process ends, however it ends:
 * the kernel holds it, so a killed process leaves no stale lock behind. It excludes other holders in this process too,
 * and processes in other network namespaces. Throws BUSY (603) if it is still taken after `withinMs`; `what` names the
 * thing being locked in that refusal.
 *
 * The lock is SQLite's exclusive file lock, because Node offers no other that dies with its process. Nothing is stored.
 */
export async function lockFile(path: string, what: string, withinMs = 0): Promise<Disposable> {
  for (let waited = 0; ; waited += ASK_AGAIN_MILLISECONDS) {
    const lock = tryLock(path);
    if (lock) return lock;
    if (waited >= withinMs) {
      throw new Fault("BUSY", `${what} is in use by another process; wait for it to finish and try again`);
    }
    await pause(ASK_AGAIN_MILLISECONDS);
  }
}

function tryLock(path: string): Disposable | undefined {
  const file = new DatabaseSync(path);
  try {
    file.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    file.close();
    if ((error as { errcode?: number }).errcode === BUSY) return undefined;
    throw error;
  }
  return { [Symbol.dispose]: () => file[Symbol.dispose]() };
}
