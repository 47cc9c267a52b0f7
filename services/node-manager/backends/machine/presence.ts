import { access, constants, stat } from "node:fs/promises";
import { join } from "node:path";
import { ENVIRONMENT } from "./program.ts";

/** Programs that something here runs, each with the Debian package that has it. */
export type Programs = Readonly<Record<string, string>>;

/** Whether there is a file or directory of that path now. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** That packages have to be installed first, as the end of a sentence and what does it; undefined if none has to. */
export async function lackOf(programs: Programs): Promise<string | undefined> {
  const missing: string[] = [];
  for (const [program, debianPackage] of Object.entries(programs)) {
    if (!(await isInstalled(program))) missing.push(debianPackage);
  }
  if (missing.length === 0) return undefined;
  return `${missing.join(", ")} must be installed first; on Debian: apt-get install ${missing.join(" ")}`;
}

async function isInstalled(program: string): Promise<boolean> {
  for (const directory of ENVIRONMENT.PATH.split(":")) {
    try {
      await access(join(directory, program), constants.X_OK);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall !== "access") throw error;
    }
  }
  return false;
}
