import { randomBytes } from "node:crypto";
import { link, open, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OperatorError } from "../model/errors.ts";

/**
 * Creates a file that is either absent or whole and durable, whatever happens in between. An existing file is never
 * replaced: the finished temporary file is linked, not renamed, into place, so that two creators can't both win.
 * Throws OperatorError when the path is taken.
 */
export async function createNewFile(path: string, content: string, mode: number): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}`);
  await writeDurably(temporary, content, mode);
  try {
    await link(temporary, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw taken(path, cause);
  } finally {
    await unlink(temporary);
  }
  await syncDirectory(dirname(path));
}

/** Puts new content in the place of a file: whoever reads it, even after a power cut, finds all of the old or of the new. */
export async function replaceFile(path: string, content: string, mode: number): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}`);
  await writeDurably(temporary, content, mode);
  try {
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** What somebody is told whose new file would have taken an existing one's place. */
export function taken(path: string, cause?: unknown): OperatorError {
  return new OperatorError(
    `${path} exists already and is not overwritten; move it away or choose another place`,
    {
      cause,
    },
  );
}

async function writeDurably(path: string, content: string, mode: number): Promise<void> {
  await using file = await open(path, "wx", mode);
  await file.chmod(mode); // the umask must not narrow it either
  await file.writeFile(content);
  await file.sync();
}

/** Makes a file's appearance in its directory survive a power cut. */
async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, "r");
  await directory.sync();
}
