import { constants, type Stats } from "node:fs";
import { lstat, mkdir, open, readdir } from "node:fs/promises";
import { OperatorError } from "#shared/model/errors.ts";
import { syncDirectory } from "#shared/runtime/durable-file.ts";

const OTHERS = 0o077;
/** A larger file is not read. */
export const MOST_BYTES = 128 * 1024 * 1024;

/**
 * Reads a file that only its owner may see: keys, tickets, leases. Undefined when it is not there. Throws OperatorError
 * for a symbolic link, whose target somebody else may choose, for anything that is no file, and for one that belongs
 * to or is open to others.
 */
export async function readPrivate(path: string): Promise<Buffer | undefined> {
  await using file = await openIfPresent(path);
  if (!file) return undefined;
  const facts = await file.stat();
  if (!facts.isFile()) throw new OperatorError(`${path} is not a file; move it away`);
  refuseShared(path, facts, "600");
  if (facts.size > MOST_BYTES) throw new OperatorError(`${path} has ${facts.size} bytes, which is too much`);
  return await file.readFile();
}

async function openIfPresent(path: string) {
  try {
    // O_NONBLOCK: a named pipe must be refused, not waited for.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    switch ((cause as NodeJS.ErrnoException).code) {
      case "ENOENT":
        return undefined;
      case "ELOOP":
        throw new OperatorError(
          `${path} is a symbolic link, which is never followed here; put the file itself there`,
          {
            cause,
          },
        );
      default:
        throw new OperatorError(`${path} cannot be opened: ${(cause as Error).message}`, { cause });
    }
  }
}

/** Makes a directory that only its owner may enter, and makes its name durable; one that is there must be such. */
export async function makePrivateDirectory(path: string, parent: string): Promise<void> {
  if (await mkdir(path, { mode: 0o700 }).then(() => true, isThere)) await syncDirectory(parent);
  await checkPrivateDirectory(path);
}

function isThere(error: NodeJS.ErrnoException): false {
  if (error.code !== "EEXIST") throw error;
  return false;
}

/** Throws OperatorError for a directory that is a symbolic link, somebody else's, or open to others. */
export async function checkPrivateDirectory(path: string): Promise<void> {
  const facts = await lstat(path);
  if (!facts.isDirectory()) throw new OperatorError(`${path} is not a directory; move it away`);
  refuseShared(path, facts, "700");
}

/** Names in a private directory; none when it is not there. */
export async function listPrivate(path: string): Promise<string[]> {
  try {
    await checkPrivateDirectory(path);
    return (await readdir(path)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function refuseShared(path: string, facts: Stats, mode: string): void {
  if (facts.uid !== process.geteuid?.()) {
    throw new OperatorError(`${path} belongs to another user; use a home of your own (SLICELAB_HOME)`);
  }
  if ((facts.mode & OTHERS) !== 0) {
    const open = (facts.mode & 0o777).toString(8);
    throw new OperatorError(`${path} is open to others (mode ${open}); run: chmod ${mode} '${path}'`);
  }
}
