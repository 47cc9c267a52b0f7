import { randomBytes } from "node:crypto";
import { after } from "node:test";
import pg from "pg";
import { migrate } from "#shared/runtime/migrations.ts";
import { SERVER_VARIABLE, testPostgres } from "./postgres.ts";

/** A database of one test's own, dropped when disposed of. */
export type TestDatabase = AsyncDisposable & { readonly url: string };

/**
 * An empty database, with the migrations of `service` if one is named. It lives in the PostgreSQL of `DATABASE_URL` if
 * that is set, else in the one the whole test run shares, else in one this process starts and takes with it.
 */
export async function testDatabase(service?: string): Promise<TestDatabase> {
  const server = await serverUrl();
  const name = `test_${randomBytes(8).toString("hex")}`;
  await administer(server, `create database ${name}`);
  const url = withDatabase(server, name);
  if (service) await migrate(url, service);
  return {
    url,
    [Symbol.asyncDispose]: () => administer(server, `drop database ${name} with (force)`),
  };
}

/** What this process started for itself; ends with its tests. */
const owned = new AsyncDisposableStack();
after(() => owned.disposeAsync());

const ownServer = lazily(async () => owned.use(await testPostgres()).url);

async function serverUrl(): Promise<string> {
  return process.env.DATABASE_URL || process.env[SERVER_VARIABLE] || ownServer();
}

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

async function administer(server: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** `server` with another database in it, whatever else its URL says. */
function withDatabase(server: string, name: string): string {
  const [, before, parameters = ""] = /^(\w+:\/\/[^/?]*)(?:\/[^?]*)?(\?.*)?$/.exec(server) ?? [];
  if (before === undefined) throw new TypeError("DATABASE_URL is not the URL of a PostgreSQL");
  return `${before}/${name}${parameters}`;
}
