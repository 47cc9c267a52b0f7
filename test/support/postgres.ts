import { access, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "#shared/model/errors.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import { type Postgres, startPostgres } from "#testbed/postgres/postgres.ts";
import { memoryDirectory, TEST_PREFIX } from "./directory.ts";

/** Where `test/support/global-setup.ts` tells the files of one run which server it started for all of them. */
export const SERVER_VARIABLE = "SLICELAB_TEST_DATABASE_URL";

/** A PostgreSQL of one test's own, for tests that kill it; gone without a trace when disposed of. */
export async function testPostgres(): Promise<Postgres> {
  await using owned = new AsyncDisposableStack();
  const directory = owned.use(await memoryDirectory());
  const server = owned.use(await startPostgres(directory.path, { fast: true }));
  await removeLeftovers(dirname(directory.path));
  const kept = owned.move();
  return { ...server, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Removes the data of servers whose test run was killed: theirs are the directories whose lock nobody holds. */
async function removeLeftovers(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (name.startsWith(TEST_PREFIX)) await removeUnlessUsed(join(parent, name));
  }
}

async function removeUnlessUsed(path: string): Promise<void> {
  try {
    await access(join(path, "postgres.log")); // made only after the lock was taken
    using _lock = await lockFile(join(path, "lock"), path);
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof Fault && error.name === "BUSY") return; // in use
    if (code === "EACCES" || code === "ENOENT") return; // another user's, not a server's, or just removed
    throw error;
  }
}
