import { readFile } from "node:fs/promises";
import { UsageError } from "./exit-code.ts";

/** Reads a file named on the command line; - is standard input. Throws UsageError when it can't be read. */
export async function readNamedFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path === "-" ? "/dev/stdin" : path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new UsageError(`${path} cannot be read (${code}); name another file`, { cause });
  }
}
