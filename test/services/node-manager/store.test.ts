import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { StoreDatabase, StoreFailure } from "#services/node-manager/store/database.ts";
import { openStore } from "#services/node-manager/store.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { KEYS, NOW } from "#test/support/documents.ts";
import { type NodeLab, nodeLab, sshKey } from "./lab/node-lab.ts";

/** A stopped node whose store holds a lease, its holdings, and a spent ticket whose lease is gone. */
async function filledLab(): Promise<NodeLab> {
  const lab = await nodeLab();
  const holding = await lab.holding();
  await lab.alice.newleasevm({
    ticketdata: (await lab.ticket({ slice: "kept" }, holding)).text,
    publickey: sshKey(),
  });
  await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice: "gone" })).text });
  await lab.alice.deletelease({ slice: "gone" });
  await lab.stop();
  return lab;
}

function file(lab: NodeLab): string {
  return join(lab.state, "node.sqlite");
}

/** The start is refused with this, no sliver is touched, and the file stays as it is. */
async function assertNotStarted(lab: NodeLab, sentence: RegExp): Promise<void> {
  const [calls, before] = [lab.backend.calls.length, readFileSync(file(lab))];
  await assert.rejects(lab.start(), (error) => {
    assert.ok(error instanceof OperatorError, `${error}`);
    assert.match(error.message, sentence);
    return true;
  });
  assert.deepEqual(lab.backend.calls.slice(calls), []);
  assert.deepEqual(readFileSync(file(lab)), before);
}

function alter(lab: NodeLab, sql: string, ...values: string[]): void {
  const db = new DatabaseSync(file(lab));
  assert.ok(Number(db.prepare(sql).run(...values).changes) > 0, sql);
  db.close();
}

test("an empty file where a store was is not an empty store", async () => {
  await using lab = await filledLab();
  truncateSync(file(lab), 0);
  await assertNotStarted(lab, /not a node manager's store/);
});

test("a file that is no database, or damaged, stops the start", async () => {
  await using lab = await filledLab();
  await lab.start();
  const leases = await lab.alice.getleases();
  await lab.stop();
  const good = readFileSync(file(lab));
  let refused = 0;
  writeFileSync(file(lab), "this was a store once");
  await assertNotStarted(lab, /can't be used/);
  writeFileSync(file(lab), good.subarray(0, good.length / 2));
  await assertNotStarted(lab, /can't be used/);
  for (let page = 1; page * 4096 < good.length; page += 1) {
    const damaged = Buffer.from(good);
    damaged.fill(0xa5, page * 4096, page * 4096 + 512);
    writeFileSync(file(lab), damaged);
    try {
      await lab.start();
    } catch (error) {
      assert.ok(error instanceof OperatorError, `page ${page}: ${error}`);
      refused += 1;
      continue;
    }
    assert.deepEqual(await lab.alice.getleases(), leases, `page ${page} held nothing`);
    await lab.stop();
  }
  assert.ok(refused > 10, `${refused} of the damaged stores were refused`);
  writeFileSync(file(lab), good);
  await lab.start();
  assert.equal((await lab.alice.getleases()).length, 1);
});

test("another program's database, another version's or another node's stops the start", async () => {
  await using lab = await filledLab();
  const good = readFileSync(file(lab));
  rmSync(file(lab));
  const db = new DatabaseSync(file(lab));
  db.exec("create table notes (text); insert into notes values ('mine')");
  db.close();
  await assertNotStarted(lab, /not a node manager's store/);
  writeFileSync(file(lab), good);
  const later = new DatabaseSync(file(lab));
  later.exec("PRAGMA user_version = 99");
  later.close();
  await assertNotStarted(lab, /has version 99/);
  writeFileSync(file(lab), good);
  alter(lab, "update store set node = ?", KEYS.otherNode.public.name);
  await assertNotStarted(lab, /belongs to the node/);
});

test("a store whose documents or columns were changed stops the start", async () => {
  const changes: [string, ...string[]][] = [
    ["update leases set document = replace(document, '<memory_mib>128<', '<memory_mib>129<')"],
    ["update leases set memory_mib = memory_mib + 1"],
    ["update leases set end_time = end_time + 1"],
    ["update leases set principal = ?", KEYS.bob.public.name],
    ["update leases set sliver = '00000000000000ff'"],
    ["update holdings set memory_mib = memory_mib + 1 where parent is null"],
    ["update holdings set principal = ? where parent is not null", KEYS.bob.public.name],
    ["update holdings set document = replace(document, 'slivers>', 'slivers> ') where parent is not null"],
    ["update holdings set end_time = end_time + 1"],
    ["update tickets set document = (select document from holdings limit 1)"],
    ["update tickets set document = replace(document, 'kept', 'held') where document like '%kept%'"],
  ];
  await using lab = await filledLab();
  const good = readFileSync(file(lab));
  for (const [sql, ...values] of changes) {
    alter(lab, sql, ...values);
    await assertNotStarted(lab, /the store is damaged: the stored (lease|holding|ticket) /);
    writeFileSync(file(lab), good);
  }
  await lab.start();
  assert.equal((await lab.alice.getleases()).length, 1);
});

test("two node managers can't serve from one store", async () => {
  await using lab = await nodeLab();
  const options = { path: file(lab), nodeKey: KEYS.node.public, now: NOW, onFailure: assert.fail };
  await assert.rejects(openStore(options), /in use by another node manager/);
  assert.ok(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  await lab.stop();
  (await openStore(options))[Symbol.dispose]();
});

test("a store that can't be read is not taken for one that is not there", async (t) => {
  if (process.getuid?.() === 0) return t.skip("root reads everything");
  await using lab = await filledLab();
  chmodSync(file(lab), 0);
  await assertNotStarted(lab, /can't be used/);
});

test("a new store is its owner's alone and appears whole", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "state", "node.sqlite");
  (await openStore({ path, nodeKey: KEYS.node.public, now: NOW, onFailure: assert.fail }))[Symbol.dispose]();
  assert.equal(statSync(join(directory.path, "state")).mode & 0o077, 0);
  copyFileSync(path, `${path}.copy`);
  (await openStore({ path: `${path}.copy`, nodeKey: KEYS.node.public, now: NOW, onFailure: assert.fail }))[
    Symbol.dispose
  ]();
});

test("a store that fails says nothing more, and tells its owner once", () => {
  const failures: Error[] = [];
  const sick = new DatabaseSync(":memory:");
  sick.exec("create table t (x)");
  const db = new StoreDatabase(sick, (failure) => failures.push(failure));
  assert.equal(
    db.transaction((tx) => db.write(tx, "insert into t values (1)")),
    1,
  );
  const exec = sick.exec.bind(sick);
  sick.exec = (sql) => {
    if (sql !== "COMMIT") return exec(sql);
    throw Object.assign(new Error("disk I/O error"), { code: "ERR_SQLITE_ERROR", errcode: 1034 }); // IOERR_FSYNC
  };
  const write = () => db.transaction((tx) => db.write(tx, "insert into t values (2)"));
  assert.throws(write, StoreFailure);
  sick.exec = exec; // it seems well again: nobody believes it
  assert.throws(write, StoreFailure);
  assert.throws(() => db.all("select * from t"), StoreFailure);
  assert.equal(failures.length, 1);
  db.close();
});

test("a mistake of ours undoes its change and leaves the store well", () => {
  const sick = new DatabaseSync(":memory:");
  sick.exec("create table t (x integer primary key)");
  const db = new StoreDatabase(sick, assert.fail);
  const twice = () =>
    db.transaction((tx) => {
      db.write(tx, "insert into t values (1)");
      db.write(tx, "insert into t values (1)");
    });
  assert.throws(twice, /UNIQUE/);
  assert.throws(() => db.transaction(() => db.transaction(() => undefined)), /inside another/);
  assert.deepEqual(db.all("select * from t"), []);
  db.close();
});
