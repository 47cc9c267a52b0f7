import assert from "node:assert/strict";
import { copyFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { APPLICATION_ID, FIRST_VERSION, SCHEMA } from "#services/node-manager/store/schema.ts";
import { type NodeLab, nodeLab } from "../lab/node-lab.ts";
import { does, owner } from "../lab/owner.ts";

function alter(lab: NodeLab, sql: string): void {
  const db = new DatabaseSync(join(lab.state, "node.sqlite"));
  db.exec(sql);
  db.close();
}

/** As the first version of the store would have kept the same. */
function makeFirstVersion(path: string): void {
  const now = `${path}.now`;
  renameSync(path, now);
  const old = new DatabaseSync(path);
  old.exec(`PRAGMA application_id = ${APPLICATION_ID}; ${SCHEMA}; PRAGMA user_version = ${FIRST_VERSION}`);
  old.exec(`PRAGMA foreign_keys = OFF; attach '${now}' as now`);
  for (const { name } of old.prepare("select name from main.sqlite_schema where type = 'table'").all()) {
    if (String(name).startsWith("sqlite_")) continue;
    const columns = old.prepare(`select name from pragma_table_info('${name}', 'main')`).all();
    const list = columns.map((column) => column.name).join(", ");
    old.exec(`insert into main.${name} (${list}) select ${list} from now.${name}`);
  }
  old.close();
}

test("a node's audit is a chain with signed heads: whatever is changed, moved or taken out in it is found", async () => {
  await using lab = await nodeLab();
  const { slice } = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  await assert.rejects(lab.bob.deletelease({ slice }), /NOT_PRINCIPAL/);
  const noted = (await does(lab, "audit", "verify")).trim();
  await does(lab, "suspend", slice, "--reason", "loud");
  const head = (await does(lab, "audit", "verify", "--head", noted)).trim();
  assert.ok(Number.parseInt(head, 10) > Number.parseInt(noted, 10), "it went on");
  const listed = await does(lab, "audit", "list");
  assert.match(listed, /owner +lease suspended +done +\{"slice":".*"note":"loud"\}/);
  assert.match(listed, /^- .*deletelease +NOT_PRINCIPAL/m, "refusals stand beside the chain");

  await lab.stop();
  const kept = join(lab.state, "kept.sqlite");
  copyFileSync(join(lab.state, "node.sqlite"), kept);
  const wrongs: [string, RegExp][] = [
    ["update audit set note = 'quiet' where action = 'lease suspended'", /row \d+ is not what it was/],
    ["update audit set peer = 'owner' where position = 1", /row 1 is not what it was/],
    ["delete from audit where position = 2", /row 2 is missing/],
    ["update audit set slice = 'other' where action = 'sliver made'", /is not what it was/],
  ];
  for (const [sql, told] of wrongs) {
    copyFileSync(kept, join(lab.state, "node.sqlite"));
    alter(lab, sql);
    const { code, err } = await owner(lab, "audit", "verify");
    assert.equal(code, 1, sql);
    assert.match(err, told);
  }
  for (const sql of [
    "update audit_heads set signature = zeroblob(256)",
    "delete from audit where position = (select max(position) from audit)",
  ]) {
    copyFileSync(kept, join(lab.state, "node.sqlite"));
    alter(lab, sql);
    await assert.rejects(lab.start(), /the stored audit does not verify/);
  }
  copyFileSync(kept, join(lab.state, "node.sqlite"));
  alter(lab, "delete from audit where position > 2; delete from audit_heads");
  assert.match(await does(lab, "audit", "verify"), /^2:/, "with rows and heads cut off it is whole again");
  const { err } = await owner(lab, "audit", "verify", "--head", head);
  assert.match(err, /row 3 is missing, with what followed/, "but for who has noted a head");
});

test("a store of the first version is brought up to date, with its audit chained from the beginning", async () => {
  await using lab = await nodeLab();
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  const head = await does(lab, "audit", "verify");
  await lab.stop();
  makeFirstVersion(join(lab.state, "node.sqlite"));
  await lab.start();
  assert.equal((await lab.alice.getleases()).length, 1);
  assert.equal(await does(lab, "audit", "verify"), head, "the same rows have the same head");
});
