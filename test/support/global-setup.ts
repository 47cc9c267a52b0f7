import { memoryDirectory } from "./directory.ts";
import { SERVER_VARIABLE, testPostgres } from "./postgres.ts";
import { IDENTITIES_VARIABLE } from "./run-authority.ts";

const owned = new AsyncDisposableStack();

/**
 * Runs once before the files of a test run, in the runner: one PostgreSQL for all of them, unless there is one, and a
 * place for the identities they share.
 */
export async function globalSetup(): Promise<void> {
  process.env[IDENTITIES_VARIABLE] = owned.use(await memoryDirectory()).path;
  if (process.env.DATABASE_URL) return;
  process.env[SERVER_VARIABLE] = owned.use(await testPostgres()).url;
}

export async function globalTeardown(): Promise<void> {
  await owned.disposeAsync();
}
