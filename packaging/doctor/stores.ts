import { Redis } from "ioredis";
import { Fault } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import { openDatabase } from "#shared/runtime/database.ts";
import { migrationsOf } from "#shared/runtime/migrations.ts";
import type { Report } from "./finding.ts";

const OLDEST_POSTGRES = 150_000;
const CLOCKS_APART_MS = 5_000;
const PATIENCE_MS = 5_000;

type Server = {
  readonly version: string;
  readonly number: number;
  readonly create: boolean;
  readonly milliseconds: number;
  readonly made: boolean;
};

/** PostgreSQL: whether it can be reached, is new enough, lets the service keep its schema, and has the same time. */
export async function checkDatabase(
  report: Report,
  { url, schema, clock }: { readonly url: string; readonly schema: string; readonly clock: Clock },
): Promise<void> {
  await using database = openDatabase(url, { schema, connections: 1, statementMilliseconds: PATIENCE_MS });
  try {
    const server = (await database.row<Server>(
      `select current_setting('server_version') as version, current_setting('server_version_num')::bigint as number,
         has_database_privilege(current_database(), 'CREATE') as create,
         (extract(epoch from clock_timestamp()) * 1000)::bigint as milliseconds,
         to_regclass($1) is not null as made`,
      [`${schema}.migrations`],
    ))!;
    checkServer(report, server, schema);
    const apart = Math.abs(server.milliseconds - clock.milliseconds());
    if (apart > CLOCKS_APART_MS) {
      const found = `its clock and this machine's are ${Math.round(apart / 1000)} s apart`;
      report.warning("database clock", found, "keep both right by NTP");
    }
    if (!server.made) return;
    const applied = await database.rows<{ name: string }>("select name from migrations");
    const waiting = (await migrationsOf(schema)).length - applied.length;
    if (waiting >= 0) return report.well("schema", `${waiting} of its migrations wait for the next start`);
    const found = `a newer version of Slicelab has migrated the schema ${schema}`;
    report.trouble("schema", found, "run that version, or restore the copy made before");
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { cause } = error;
    const found = `it cannot be used: ${cause instanceof Error ? cause.message : error.sentence}`;
    report.trouble(
      "database",
      found,
      "see that PostgreSQL runs, and that the URL, user and password are right",
    );
  }
}

function checkServer(report: Report, { version, number, create, made }: Server, schema: string): void {
  if (number < OLDEST_POSTGRES) {
    report.trouble("database", `PostgreSQL ${version} is too old`, "use PostgreSQL 15 or newer");
  } else if (!(create || made)) {
    const mend = "GRANT CREATE ON DATABASE … TO its user, or make the user the database's owner";
    report.trouble("database", `its user may not make the schema ${schema}`, mend);
  } else report.well("database", `PostgreSQL ${version} answers`);
}

/** Redis: whether it answers. */
export async function checkRedis(report: Report, url: string): Promise<void> {
  const redis = new Redis(url, {
    ...{ lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 },
    connectTimeout: PATIENCE_MS,
  });
  const errors: Error[] = [];
  redis.on("error", (error: Error) => errors.push(error));
  try {
    await redis.connect();
    await redis.ping();
    report.well("redis", "it answers");
  } catch (error) {
    const { message } = errors[0] ?? (error as Error);
    const found = `it cannot be used: ${message}; work is done nonetheless, but later`;
    report.warning("redis", found, "see that Redis runs and that the URL is right");
  } finally {
    redis.disconnect();
  }
}
