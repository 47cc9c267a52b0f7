import { SERVER_VARIABLE, testPostgres } from "./postgres.ts";

const owned = new AsyncDisposableStack();

/** Runs once before the files of a test run, in the runner: one PostgreSQL for all of them, unless there is one. */
export async function globalSetup(): Promise<void> {
  if (process.env.DATABASE_URL) return;
  process.env[SERVER_VARIABLE] = owned.use(await testPostgres()).url;
}

export async function globalTeardown(): Promise<void> {
  await owned.disposeAsync();
}
