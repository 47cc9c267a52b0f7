import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openDatabase } from "#shared/runtime/database.ts";
import { apply, type Migration, migrationsOf } from "#shared/runtime/migrations.ts";
import { testDatabase } from "#test/support/database.ts";
import { temporaryDirectory } from "#test/support/directory.ts";

const TABLE = migration("0001_table.sql", "create table things (id int); insert into things values (1);");
const COLUMN = migration("0002_column.sql", "alter table things add column name text;");

function migration(name: string, sql: string): Migration {
  return { name, sql, sha256: createHash("sha256").update(sql).digest("hex") };
}

async function open() {
  const place = await testDatabase();
  const database = openDatabase(place.url, { schema: "shop" });
  return {
    database,
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}

test("migrations apply once, in order, in the schema of their service", async () => {
  await using lab = await open();
  assert.deepEqual(await apply(lab.database, "shop", [TABLE]), ["0001_table.sql"]);
  assert.deepEqual(await apply(lab.database, "shop", [TABLE, COLUMN]), ["0002_column.sql"]);
  assert.deepEqual(await apply(lab.database, "shop", [TABLE, COLUMN]), []);
  assert.deepEqual(await lab.database.rows("select * from shop.things"), [{ id: 1, name: null }]);
});

test("many processes may migrate at once: one does it, and all find it done", async () => {
  await using lab = await open();
  const results = await Promise.all(
    Array.from({ length: 8 }, () => apply(lab.database, "shop", [TABLE, COLUMN])),
  );
  assert.deepEqual(results.flat().sort(), ["0001_table.sql", "0002_column.sql"]);
  assert.deepEqual(await lab.database.row("select count(*) from things"), { count: 1 });
});

test("a migration that fails undoes those before it", async () => {
  await using lab = await open();
  const wrong = migration("0002_wrong.sql", "create table more (id int); select nonsense;");
  await assert.rejects(apply(lab.database, "shop", [TABLE, wrong]), /nonsense/);
  assert.deepEqual(await lab.database.row("select to_regclass('shop.things') as things"), { things: null });
  assert.equal((await apply(lab.database, "shop", [TABLE])).length, 1);
});

test("an edited migration and a database of a newer version are refused, and nothing is touched", async () => {
  await using lab = await open();
  await apply(lab.database, "shop", [TABLE, COLUMN]);
  const edited = migration(TABLE.name, `${TABLE.sql} -- harmless`);
  const more = migration("0003_more.sql", "create table more (id int)");
  await assert.rejects(apply(lab.database, "shop", [edited, COLUMN, more]), /0001_table.sql was edited/);
  await assert.rejects(apply(lab.database, "shop", [TABLE]), /0002_column.sql, which is not here/);
  await assert.rejects(apply(lab.database, "shop", [COLUMN, TABLE]), /0001_table.sql, which is not here/);
  assert.deepEqual(await lab.database.row("select to_regclass('shop.more') as more"), { more: null });
});

test("files are read in order with their checksums, and a gap in the numbers is refused", async () => {
  await using directory = await temporaryDirectory();
  const folder = join(directory.path, "shop");
  await mkdir(folder);
  await writeFile(join(folder, COLUMN.name), COLUMN.sql);
  await assert.rejects(migrationsOf("shop", directory.path), /0002_column.sql is misnumbered/);
  await writeFile(join(folder, TABLE.name), TABLE.sql);
  assert.deepEqual(await migrationsOf("shop", directory.path), [TABLE, COLUMN]);
});
