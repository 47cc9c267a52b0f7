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
  const { code } = cause as NodeJS.ErrnoException;
  const why = code === "ENOENT" ? "there is no such file" : code;
  return new UsageError(`${path} cannot be read (${why}); name another file`, { cause });
}
