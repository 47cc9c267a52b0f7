import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { Fault } from "#shared/model/errors.ts";
import { openDatabase } from "#shared/runtime/database.ts";
import { testDatabase } from "#test/support/database.ts";
import { eventually, within } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { testPostgres } from "#test/support/postgres.ts";
import { startPostgres } from "#testbed/postgres/postgres.ts";

const STORE_DOWN = { name: "STORE_DOWN", code: 600 };
const SCHEMA = { schema: "public" };

test("columns come back as the types they are read as", async () => {
  await using place = await testDatabase();
  await using database = openDatabase(place.url, SCHEMA);
  const row = await database.row(`select 9007199254740991::bigint as big, '{1,null,-3}'::bigint[] as bigs,
    '2030-01-01T00:00:00.5Z'::timestamptz as at, '{"2030-01-01 01:00:00+01"}'::timestamptz[] as ats,
    'infinity'::timestamptz as never, '2030-01-01'::date as day, 0.1::numeric as exact, '\\x00ff'::bytea as bytes,
    true as yes, '{"a":[1]}'::jsonb as json, null::bigint as nothing`);
  const at = Date.parse("2030-01-01T00:00:00Z") / 1000;
  assert.deepEqual(row, {
    big: Number.MAX_SAFE_INTEGER,
    bigs: [1, null, -3],
    at: at + 0.5,
    ats: [at],
    never: Number.POSITIVE_INFINITY,
    day: "2030-01-01",
    exact: "0.1",
    bytes: Buffer.from([0, 255]),
    yes: true,
    json: { a: [1] },
    nothing: null,
  });
});

test("instants are written and read back whole, wherever this process thinks it is", async () => {
  await using place = await testDatabase();
  await using database = openDatabase(place.url, SCHEMA);
  for (const at of [0, 1893456000, 4102444799]) {
    assert.deepEqual(await database.row("select to_timestamp($1) as at", [at]), { at });
  }
});

test("a number too large to hold and a time without a zone are refused, and the next statement is served", async () => {
  await using place = await testDatabase();
  await using database = openDatabase(place.url, { ...SCHEMA, connections: 1 });
  await assert.rejects(database.row("select 9007199254740992::bigint"), RangeError);
  await assert.rejects(database.row("select now()::timestamp"), TypeError);
  assert.deepEqual(await database.row("select 1 as one"), { one: 1 });
});

test("other connections of this process read columns as before", async () => {
  await using place = await testDatabase();
  await using _database = openDatabase(place.url, SCHEMA);
  const client = new pg.Client({ connectionString: place.url });
  await client.connect();
  assert.deepEqual((await client.query("select 1::bigint as one")).rows, [{ one: "1" }]);
  await client.end();
});

test("rows, one row, no row and counts", async () => {
  await using place = await testDatabase();
  await using database = openDatabase(place.url, SCHEMA);
  await database.run("create table things (id int)");
  assert.equal(await database.run("insert into things select generate_series(1, $1)", [3]), 3);
  assert.deepEqual(await database.rows("select id from things where id > $1 order by id", [1]), [
    { id: 2 },
    { id: 3 },
  ]);
  assert.equal(await database.row("select id from things where id = 4"), undefined);
  await assert.rejects(database.row("select id from things"), /found several/);
  assert.deepEqual(await database.row({ name: "first", text: "select min(id) as id from things" }), {
    id: 1,
  });
});

test("a transaction is kept when its work returns and undone when it throws", async () => {
  await using place = await testDatabase();
  await using database = openDatabase(place.url, SCHEMA);
  await database.run("create table things (id int primary key)");
  await database.transaction((tx) => tx.run("insert into things values (1)"));
  const refusal = new Fault("NO_CAPACITY", "none left");
  const refused = database.transaction(async (tx) => {
    await tx.run("insert into things values (2)");
    throw refusal;
  });
  await assert.rejects(refused, refusal);
  assert.deepEqual(await database.rows("select id from things"), [{ id: 1 }]);
});

test("what work throws comes through as it is, whatever it is", async () => {
  await using place = await testDatabase();
  await using database = openDatabase(place.url, SCHEMA);
  for (const thrown of [new Error("mine"), new SyntaxError("mine too")]) {
    await assert.rejects(
      database.transaction(() => Promise.reject(thrown)),
      (error) => error === thrown,
    );
  }
});

test("a violated constraint comes through with its name", async () => {
  await using place = await testDatabase();
  await using database = openDatabase(place.url, SCHEMA);
  await database.run("create table things (id int, constraint once unique (id))");
  await database.run("insert into things values (1)");
  await assert.rejects(database.run("insert into things values (1)"), (error) => {
    return error instanceof pg.DatabaseError && error.constraint === "once";
  });
});

test("going on after a failed statement cannot pass for a commit", async () => {
  await using place = await testDatabase();
  await using database = openDatabase(place.url, SCHEMA);
  const careless = database.transaction(async (tx) => {
    await tx.run("select 1 / 0").catch(() => "never mind");
  });
  await assert.rejects(careless, /went on after a statement in it had failed/);
});

test("repeatable transactions get through a conflict, others are told BUSY", async () => {
  await using place = await testDatabase();
  await using database = openDatabase(place.url, { ...SCHEMA, connections: 20 });
  await database.run("create table counter as select 0 as n");
  const increment = (repeatable: boolean) =>
    database.transaction(
      async (tx) => {
        const counter = await tx.row<{ n: number }>("select n from counter");
        await tx.run("update counter set n = $1", [counter!.n + 1]);
      },
      { isolation: "serializable", repeatable },
    );
  await Promise.all(Array.from({ length: 4 }, () => increment(true)));
  assert.deepEqual(await database.row("select n from counter"), { n: 4 });

  const results = await Promise.allSettled(Array.from({ length: 16 }, () => increment(false)));
  const refusals = results.filter((result) => result.status === "rejected").map(({ reason }) => reason);
  assert.ok(refusals.length > 0 && refusals.every((reason) => reason.code === 603), String(refusals));
});

test("a statement that takes too long is cancelled with BUSY", async () => {
  await using place = await testDatabase();
  await using database = openDatabase(place.url, { ...SCHEMA, statementMilliseconds: 50 });
  await assert.rejects(database.run("select pg_sleep(60)"), { name: "BUSY" });
  assert.deepEqual(await database.row("select 1 as one"), { one: 1 });
});

test("a database that is not there is STORE_DOWN", async () => {
  await using directory = await temporaryDirectory();
  await using database = openDatabase(`postgresql://nobody@/none?host=${directory.path}`, SCHEMA);
  await assert.rejects(database.row("select 1"), STORE_DOWN);
  await assert.rejects(
    database.transaction((tx) => tx.run("select 1")),
    STORE_DOWN,
  );
});

test("a read-only database is STORE_DOWN", async () => {
  await using place = await testDatabase();
  await using database = openDatabase(place.url, { ...SCHEMA, connections: 1 });
  const writing = database.transaction(async (tx) => {
    await tx.run("set transaction read only");
    await tx.run("create table things (id int)");
  });
  await assert.rejects(writing, STORE_DOWN);
  await database.run("create table things (id int)"); // the brake was on that transaction alone
});

test("PostgreSQL killed in the middle of a transaction is STORE_DOWN, and its successor is used", async () => {
  await using directory = await temporaryDirectory();
  await using first = await startPostgres(directory.path, { fast: true });
  await using database = openDatabase(first.url, SCHEMA);
  await database.run("create table things as select 0 as id");
  const dying = database.transaction(async (tx) => {
    await tx.run("insert into things values (1)");
    process.kill(first.pid, "SIGKILL");
    await within(first.ended);
    for (;;) await tx.run("select 1"); // its children notice in their own time
  });
  await assert.rejects(within(dying), STORE_DOWN);
  await assert.rejects(database.rows("select id from things"), STORE_DOWN);
  await first[Symbol.asyncDispose]();

  await using _second = await startPostgres(directory.path, { fast: true });
  assert.deepEqual(await database.rows("select id from things"), [{ id: 0 }]);
});

test("idle connections that break are replaced without anybody noticing", async () => {
  await using server = await testPostgres();
  await using database = openDatabase(server.url, SCHEMA);
  await using other = openDatabase(server.url, SCHEMA);
  await database.row("select 1");
  await other.run(
    "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'",
  );
  await eventually(() => database.row("select 1 as one"));
});
