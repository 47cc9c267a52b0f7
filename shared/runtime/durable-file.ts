import { randomBytes } from "node:crypto";
import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OperatorError } from "../model/errors.ts";

const UNFINISHED = /^\..+\.[0-9a-f]{16}\.unfinished$/;

/** A file that was read: never confuses "not there" with "not readable", which is thrown. */
export async function readIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Replaces the file at `path` so that a reader, or a machine that lost power at any moment, finds either all of the old
 * contents or all of the new; when it returns, the new ones are on the disk. A symbolic link at `path` is replaced, not
 * followed. `mode` is the mode of the new file: by default its owner's alone. Throws OperatorError where there is no room
 * for it; then the old contents are there as before.
 */
export async function writeDurably(path: string, contents: string | Uint8Array, mode = 0o600): Promise<void> {
  const unfinished = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString("hex")}.unfinished`);
  try {
    const file = await open(unfinished, "wx", mode);
    try {
      await file.chmod(mode); // whatever the umask is
      await file.writeFile(contents);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw unlessFull(path, error);
  }
  await syncDirectory(dirname(path));
}

/** What is to be thrown where writing to `path` failed: a full disk does not say by itself which one it is. */
export function unlessFull(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  const full = code === "ENOSPC" ? "its disk is full" : "its owner's quota of the disk is used up";
  return new OperatorError(`${path} cannot be written, ${full}: make room there and try again (${code})`, {
    cause: error,
  });
}

/** Removes the file at `path` if it is there; when it returns, it stays removed. */
export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

/** Makes names created, renamed or removed in `directory` survive a loss of power. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes what `writeDurably` left in `directory` when it was killed. Only for whoever alone writes there. */
export async function removeUnfinished(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (UNFINISHED.test(name)) await rm(join(directory, name), { force: true });
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
