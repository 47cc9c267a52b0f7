import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type TemporaryDirectory = AsyncDisposable & { readonly path: string };

/** What the name of every temporary directory of a test begins with. */
export const TEST_PREFIX = "slicelab-test-";

/** Linux's file system in memory; small in containers. */
const MEMORY = "/dev/shm";
const ROOMY_BYTES = 2 * 1024 ** 3;

/** A directory for one test, readable by nobody else, removed when disposed of. */
export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  return directoryIn(tmpdir());
}

/** As `temporaryDirectory`, but in memory where there is room: for what makes many files, not for what is fsynced. */
export async function memoryDirectory(): Promise<TemporaryDirectory> {
  return directoryIn((await roomy(MEMORY)) ? MEMORY : tmpdir());
}

async function directoryIn(parent: string): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(parent, TEST_PREFIX));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function roomy(path: string): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize > ROOMY_BYTES;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
