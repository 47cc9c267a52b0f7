import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openDatabase } from "#shared/runtime/database.ts";
import { eventually, within } from "#test/support/deadline.ts";
import { memoryDirectory } from "#test/support/directory.ts";
import { startPostgres } from "#testbed/postgres/postgres.ts";

const FAST = { fast: true };
const ENDLESS = "select count(*) from pg_class a, pg_class b, pg_class c, pg_class d, pg_class e";
const ROOT = process.getuid?.() === 0;

async function remember(url: string): Promise<void> {
  await using database = openDatabase(url, { schema: "public" });
  await database.run("create table if not exists memory as select 42 as answer");
}

async function remembers(url: string): Promise<boolean> {
  await using database = openDatabase(url, { schema: "public" });
  return (await database.row<{ answer: number }>("select answer from memory"))?.answer === 42;
}

test("data and URL are the same after a restart", async () => {
  await using directory = await memoryDirectory();
  const first = await startPostgres(directory.path, FAST);
  const url = await first.createDatabase("agent");
  await remember(url);
  await first[Symbol.asyncDispose]();

  await using second = await startPostgres(directory.path, FAST);
  assert.equal(await second.createDatabase("agent"), url);
  assert.ok(await remembers(url));
});

test("a path of any length and with blanks will do, below a directory closed to others", async () => {
  await using directory = await memoryDirectory();
  const path = join(directory.path, "a home".repeat(20), "b".repeat(100));
  await mkdir(path, { recursive: true, mode: 0o700 });
  await using server = await startPostgres(path, FAST);
  await remember(server.url);
});

test("one starter, one user, plain names: all others are kept out", async () => {
  await using directory = await memoryDirectory();
  await using server = await startPostgres(directory.path, FAST);
  await assert.rejects(startPostgres(directory.path, FAST), { name: "BUSY" });
  await assert.rejects(server.createDatabase('x"; drop database agent'), /is not a name/);
  await using database = openDatabase(server.url, { schema: "public" });
  const found = await database.row<{ addresses: string; sockets: string }>(
    "select current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets",
  );
  assert.equal(found!.addresses, "");
  assert.equal((await stat(found!.sockets)).mode & 0o777, 0o700);
});

test("what was committed survives PostgreSQL being killed", async () => {
  await using directory = await memoryDirectory();
  await using first = await startPostgres(directory.path, FAST);
  await remember(first.url);
  process.kill(first.pid, "SIGKILL");
  await within(first.ended);
  await first[Symbol.asyncDispose]();

  await using second = await startPostgres(directory.path, FAST);
  assert.ok(await remembers(second.url));
});

test("PostgreSQL ends with a starter that was killed, and the next starter comes up", async () => {
  await using directory = await memoryDirectory();
  const main = `
    const { startPostgres } = await import("#testbed/postgres/postgres.ts");
    const server = await startPostgres(process.argv[1], { fast: true });
    console.log(server.pid);
    setInterval(() => server, 1000);`;
  const starter = spawn(process.execPath, ["--input-type=module", "--eval", main, directory.path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [pid] = await within(once(starter.stdout, "data"));
  starter.kill("SIGKILL");
  await within(once(starter, "exit"));
  await eventually(async () => !(await isRunning(Number(pid))), { what: "the end of PostgreSQL" });

  await using second = await startPostgres(directory.path, FAST);
  await remember(second.url);
});

test("an orphan on the same data is ended before a successor starts", async () => {
  await using directory = await memoryDirectory();
  await using first = await startPostgres(directory.path, FAST);
  await remember(first.url);
  await using client = openDatabase(first.url, { schema: "public" });
  const busy = assert.rejects(client.run(ENDLESS), { retryable: true });
  await eventually(() => running(first.url));
  process.kill(first.pid, "SIGKILL"); // its child computes on
  await within(first.ended);
  await first[Symbol.asyncDispose]();

  await using second = await startPostgres(directory.path, FAST);
  await within(busy);
  assert.ok(await remembers(second.url));
});

test("a stale process number now used by somebody else does not stop a start", async () => {
  await using directory = await memoryDirectory();
  const first = await startPostgres(directory.path, FAST);
  const pidFile = join(directory.path, "data", "postmaster.pid");
  const contents = await readFile(pidFile, "utf8");
  await first[Symbol.asyncDispose]();
  const innocent = spawn("sleep", ["1000"], ROOT ? { uid: 65534, gid: 65534 } : {});
  try {
    await writeFile(pidFile, contents.replace(/^\d+/, String(innocent.pid)));
    await using _second = await startPostgres(directory.path, FAST);
    assert.equal(innocent.exitCode, null);
    assert.equal(innocent.signalCode, null);
  } finally {
    innocent.kill();
  }
});

test("data that was only half made is made again", async () => {
  await using directory = await memoryDirectory();
  await mkdir(join(directory.path, "data.unfinished"));
  await writeFile(join(directory.path, "data.unfinished", "PG_VERSION"), "1");
  await using server = await startPostgres(directory.path, FAST);
  await remember(server.url);
});

test("a start that fails says what PostgreSQL said, and leaves nothing locked", async () => {
  await using directory = await memoryDirectory();
  await (await startPostgres(directory.path, FAST))[Symbol.asyncDispose]();
  const file = join(directory.path, "data", "postgresql.conf");
  const before = await readFile(file, "utf8");
  await appendFile(file, "\nnonsense = 1\n");
  await assert.rejects(startPostgres(directory.path, FAST), /did not start[\s\S]*nonsense/);
  await writeFile(file, before);
  await using _server = await startPostgres(directory.path, FAST);
});

async function running(url: string): Promise<boolean> {
  await using database = openDatabase(url, { schema: "public" });
  const found = await database.row<{ n: number }>(
    "select count(*) as n from pg_stat_activity where query = $1",
    [ENDLESS],
  );
  return found?.n === 1;
}

async function isRunning(pid: number): Promise<boolean> {
  try {
    const status = await readFile(`/proc/${pid}/stat`, "utf8");
    return !/\) Z /.test(status); // a zombie has ended; nobody has asked how yet
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}
