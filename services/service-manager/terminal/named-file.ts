import { access, constants, readFile, stat } from "node:fs/promises";
import { UsageError } from "./exit-code.ts";

/** Reads a file named on the command line; - is standard input. Throws UsageError when it can't be read. */
export async function readNamedFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path === "-" ? "/dev/stdin" : path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** Makes sure that something named on the command line can be sent. Throws UsageError when it can't. */
export async function checkSendable(path: string, options: { readonly trees: boolean }): Promise<void> {
  let directory: boolean;
  try {
    await access(path, constants.R_OK);
    directory = (await stat(path)).isDirectory();
  } catch (cause) {
    throw unreadable(path, cause);
  }
  if (directory && !options.trees) throw new UsageError(`${path} is a directory; copy it with -r`);
}

function unreadable(path: string, cause: unknown): UsageError {
  return new UsageError(`${path} cannot be read (${whyUnreadable(cause)}); name another file`, { cause });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EISDIR: "it is a directory",
  EACCES: "you may not read it",
};

/** Why a file could not be read, for people: what the system said, where we know no better words. */
export function whyUnreadable(cause: unknown): string {
  const { code = "the system refused" } = cause as NodeJS.ErrnoException;
  return REASONS[code] ?? code;
}
