import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chown, type FileHandle, lstat, mkdir, open, readFile, realpath, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { OperatorError } from "#shared/model/errors.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import type { Log } from "#shared/runtime/log.ts";
import { postgresBinaries, UNPRIVILEGED } from "./postgres-binaries.ts";
import { endLeftovers } from "./postgres-leftovers.ts";

/** A PostgreSQL of our own, reached over a unix socket and by nobody else. */
export type Postgres = AsyncDisposable & {
  /** Its maintenance database. The URL is the same after a restart on the same directory. */
  readonly url: string;
  /** The process that, ended, ends all of it. */
  readonly pid: number;
  /** Settles when it has ended, asked or not. */
  readonly ended: Promise<void>;
  /** Makes the database `name` unless it is there, and gives its URL. */
  createDatabase(name: string): Promise<string>;
};

export type PostgresOptions = {
  readonly log?: Log;
  /** For data nobody will miss: does not wait for the disk. It survives PostgreSQL being killed, not the machine. */
  readonly fast?: boolean;
};

const USER = "slicelab";
const DATABASE_NAME = /^[a-z][a-z0-9_]{0,62}$/;
const START_MILLISECONDS = 60_000;
const STOP_MILLISECONDS = 15_000;
const ASK_AGAIN_MILLISECONDS = 10;

/** A unix socket's whole path has 107 bytes; this leaves room for the names we add. */
const LONGEST_SOCKET_PARENT = 60;

const SETTINGS = ["listen_addresses=", "max_connections=200", "timezone=UTC", "log_timezone=UTC"];
const FAST_SETTINGS = ["fsync=off", "wal_init_zero=off", "wal_recycle=off", "full_page_writes=off"];

/** The data directory, handed to PostgreSQL as an open file, so that it may lie below directories closed to its user. */
const INHERITED = "/proc/self/fd/3";

/**
 * Starts PostgreSQL on the data below `dir`, making it the first time, and returns when it answers. One starter at a
 * time: a second one is refused with BUSY. Whatever a killed predecessor left running on the same data is ended first.
 * It ends when it is disposed of, and also when this process ends without disposing of it.
 */
export async function startPostgres(dir: string, options: PostgresOptions = {}): Promise<Postgres> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const home = await realpath(dir);
  await using owned = new AsyncDisposableStack();
  owned.use(await lockFile(join(home, "lock"), `the PostgreSQL in ${home}`));
  const bin = join(await postgresBinaries(), "bin");
  const data = await ensureData(home, bin, options);
  await endLeftovers(data);

  const sockets = await socketDirectory(home);
  owned.defer(() => rm(sockets, { recursive: true, force: true }));
  const url = (database: string) => `postgresql://${USER}@/${database}?host=${encodeURIComponent(sockets)}`;

  const server = await launch(bin, data, sockets, home, options);
  owned.defer(() => stop(server));
  await answering(server, url("postgres"), join(home, "postgres.log"));
  options.log?.info({ postgres: server.pid, dir: home }, "PostgreSQL answers");

  const kept = owned.move();
  return {
    url: url("postgres"),
    pid: server.pid as number,
    ended: server.exitCode === null ? once(server, "exit").then(() => undefined) : Promise.resolve(),
    createDatabase: async (name) => {
      await createDatabase(url("postgres"), name);
      return url(name);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The data directory, complete: made beside its place and renamed, so that a killed initdb is started over. */
async function ensureData(home: string, bin: string, options: PostgresOptions): Promise<string> {
  const data = join(home, "data");
  const found = await lstat(data).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found) return data;
  const unfinished = join(home, "data.unfinished");
  await rm(unfinished, { recursive: true, force: true });
  await ownDirectory(unfinished);
  await using log = await open(join(home, "postgres.log"), "a", 0o600);
  await using directory = await open(unfinished, "r");
  const argv = [
    "-D",
    INHERITED,
    "-U",
    USER,
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--no-instructions",
  ];
  if (options.fast) argv.push("--no-sync");
  const initdb = spawn(join(bin, "initdb"), argv, as(log, directory));
  const [code] = await once(initdb, "exit");
  if (code !== 0)
    throw await failure("PostgreSQL could not make its data directory", join(home, "postgres.log"));
  await rename(unfinished, data);
  return data;
}

async function launch(
  bin: string,
  data: string,
  sockets: string,
  home: string,
  options: PostgresOptions,
): Promise<ChildProcess> {
  await using log = await open(join(home, "postgres.log"), "a", 0o600);
  await using directory = await open(data, "r");
  const settings = [
    ...SETTINGS,
    `unix_socket_directories=${sockets}`,
    ...(options.fast ? FAST_SETTINGS : []),
  ];
  const argv = ["-D", INHERITED, ...settings.flatMap((setting) => ["-c", setting])];
  // setpriv asks the kernel to interrupt PostgreSQL when we die, which is its "fast shutdown".
  const server = spawn("setpriv", ["--pdeathsig", "INT", "--", join(bin, "postgres"), ...argv], {
    ...as(log, directory),
    detached: true, // a terminal's interrupt is for us: services still write while they stop
  });
  await once(server, "spawn");
  return server;
}

/** How to spawn: as PostgreSQL's user, with nothing of our environment. */
function as(log: FileHandle, directory: FileHandle) {
  const root = process.getuid?.() === 0;
  return {
    cwd: "/",
    env: { PATH: process.env.PATH, LC_ALL: "C" },
    stdio: ["ignore", log.fd, log.fd, directory.fd] as ("ignore" | number)[],
    ...(root ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {}),
  };
}

/** A short, private directory for the socket, named after `home`, so that the URL stays the same over restarts. */
async function socketDirectory(home: string): Promise<string> {
  const parent = tmpdir().length <= LONGEST_SOCKET_PARENT ? tmpdir() : "/tmp";
  const name = createHash("sha256").update(home).digest("hex").slice(0, 16);
  const path = join(parent, `slicelab-pg-${name}`);
  await rm(path, { recursive: true, force: true });
  await ownDirectory(path); // fails if somebody else has taken the name in the meantime
  return path;
}

async function ownDirectory(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  if (process.getuid?.() === 0) await chown(path, UNPRIVILEGED, UNPRIVILEGED);
}

async function answering(server: ChildProcess, url: string, log: string): Promise<void> {
  const until = performance.now() + START_MILLISECONDS;
  let last: unknown;
  while (server.exitCode === null && server.signalCode === null && performance.now() < until) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      last = error;
    }
    await pause(ASK_AGAIN_MILLISECONDS);
  }
  throw await failure("PostgreSQL did not start", log, last);
}

async function failure(what: string, log: string, cause?: unknown): Promise<Error> {
  const end = (await readFile(log, "utf8")).trimEnd().split("\n").slice(-5).join("\n");
  return new OperatorError(`${what}; the end of ${log} says:\n${end}`, { cause });
}

/** Fast shutdown; after a while the immediate one, from which it recovers at the next start. */
async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, "exit");
  server.kill("SIGINT");
  const timer = setTimeout(() => server.kill("SIGQUIT"), STOP_MILLISECONDS);
  await exited;
  clearTimeout(timer);
}

async function createDatabase(url: string, name: string): Promise<void> {
  if (!DATABASE_NAME.test(name)) throw new TypeError(`"${name}" is not a name for a database`);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const found = await client.query("select 1 from pg_database where datname = $1", [name]);
    if (found.rowCount === 0) await client.query(`create database "${name}"`);
  } finally {
    await client.end();
  }
}
