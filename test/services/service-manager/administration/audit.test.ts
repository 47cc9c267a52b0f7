import assert from "node:assert/strict";
import { test } from "node:test";
import { type AgentLab, agentLab } from "../../agent/agent-lab.ts";
import { administratorHome } from "./administrator-home.ts";

const FOUR = { slice: "web", ntickets: 1, leaselen: 3600, ips: "0.0.0.0" as const };

/** What somebody with the database in hand might do to a chain of at least eight rows, and what is found. */
const TAMPERING: Readonly<Record<string, readonly [sql: string, found: RegExp]>> = {
  "a row is changed": ["update audit set outcome = 'QUOTA' where position = 3", /row 3 is not what it was/],
  "its author is": ["update audit set who = 'somebody' where position = 5", /row 5 is not what it was/],
  "its time is, by a microsecond": [
    "update audit set at = at + interval '1 microsecond' where position = 4",
    /row 4 is not what it was/,
  ],
  "its detail is": [
    `update audit set detail = '{"name": "mallory"}' where position = 2`,
    /row 2 is not what it was/,
  ],
  "a row is taken out": ["delete from audit where position = 4", /row 4 is missing/],
  "a row is taken out and the others moved up": [
    `delete from audit where position = 4;
     update audit set position = -position + 1000000 where position > 4;
     update audit set position = 1000000 - position - 1 where position > 1000`,
    /row 4 is not what it was/,
  ],
  "two rows change places": [
    `update audit set position = 1000000 where position = 3; update audit set position = 3 where position = 4;
     update audit set position = 4 where position = 1000000`,
    /row 3 is not what it was/,
  ],
  "the first rows are taken out": ["delete from audit where position < 4", /row 1 is missing/],
  "the last rows are taken out": [
    "delete from audit where position > (select max(position) - 2 from audit)",
    /is missing/,
  ],
  "a row is put in": [
    `insert into audit (at, who, method, outcome, position, hash)
     select now(), 'operator', 'nothing', 'ok', max(position) + 1, decode(repeat('00', 32), 'hex') from audit`,
    /is not what it was/,
  ],
  "a head is rewritten": [
    "update audit_heads set hash = decode(repeat('00', 32), 'hex')",
    /another hash than the signed head/,
  ],
  "a head is signed by somebody else": [
    "update audit_heads set signature = decode(repeat('00', 256), 'hex')",
    /a head whose signature is wrong/,
  ],
};

/** A lab in which something was done and refused, all of it in the chain. */
async function auditedLab(): Promise<AgentLab> {
  const lab = await agentLab();
  await lab.alice.client.newtickets(FOUR);
  await assert.rejects(lab.bob.client.newtickets(FOUR));
  return lab;
}

test("the audit verifies, goes on from a head that was noted, and grows by what is done", async () => {
  await using lab = await auditedLab();
  await using home = await administratorHome(lab, lab.admin);
  const { out: head } = await home.admin("audit", "head");
  assert.match(head, /^\d+:[0-9a-f]{64}\n$/);
  assert.deepEqual(await home.admin("audit", "verify"), { code: 0, out: head, err: "" });
  await home.admin("site", "add", "mit");
  const later = await home.admin("audit", "verify", "--head", head.trim());
  assert.equal(later.code, 0, later.err);
  assert.equal(Number.parseInt(later.out, 10), Number.parseInt(head, 10) + 1);
  const { out } = await home.admin("audit", "list", "--count", "3");
  assert.match(out, /^POSITION +TIME +WHO +WHAT +OUTCOME +DETAIL\n/);
  assert.match(out, /^\d+ .* bob +newtickets +NOT_PRINCIPAL /m);
  assert.match(out, /^\d+ .* admin +add site +ok +\{"name": "mit"\}$/m);
});

test("whatever is changed, taken out, put in or moved is found, and where", async () => {
  await using lab = await auditedLab();
  await using home = await administratorHome(lab, lab.admin);
  const whole = await home.admin("audit", "verify");
  assert.equal(whole.code, 0);
  const { database } = lab;
  await database.run("create table kept_audit as select * from audit");
  await database.run("create table kept_heads as select * from audit_heads");
  for (const [what, [sql, found]] of Object.entries(TAMPERING)) {
    await database.transaction(async (tx) => {
      for (const one of sql.split(";")) assert.ok((await tx.run(one)) > 0, one);
    });
    const { code, err } = await home.admin("audit", "verify");
    assert.match(err, /the audit was tampered with/, what);
    assert.match(err, found, what);
    assert.equal(code, 1);
    await database.transaction(async (tx) => {
      await tx.run("delete from audit");
      await tx.run("insert into audit overriding system value select * from kept_audit");
      await tx.run("delete from audit_heads");
      await tx.run("insert into audit_heads select * from kept_heads");
    });
  }
  assert.deepEqual(await home.admin("audit", "verify"), whole);
});

test("an audit that was made anew from some row on does not go on from a head that was noted before", async () => {
  await using lab = await auditedLab();
  await using home = await administratorHome(lab, lab.admin);
  const head = (await home.admin("audit", "head")).out.trim();
  await lab.database.run("delete from audit where position = 4");
  await lab.database.run("update audit set position = null, hash = null");
  await lab.database.run("delete from audit_heads");
  assert.equal((await home.admin("audit", "verify")).code, 0, "the agent itself cannot know");
  const { code, err } = await home.admin("audit", "verify", "--head", head);
  assert.equal(code, 1);
  assert.match(err, /another hash than the head that was noted|is missing/);
});

test("what two agents on one database do at once is one chain without gaps", async () => {
  await using lab = await agentLab({ share: { slivers: 1000, memoryMib: 1_000_000, diskMib: 1_000_000 } });
  await using home = await administratorHome(lab, lab.admin);
  await using sibling = await lab.sibling();
  const other = sibling.client(lab.bob);
  const asks = Array.from({ length: 40 }, (_, at) =>
    at % 2
      ? lab.alice.client.newtickets({ ...FOUR, slice: `a${at}` })
      : other.newtickets({ ...FOUR, slice: `b${at}` }),
  );
  const verified = await Promise.all([...asks, ...asks.slice(0, 6).map(() => home.admin("audit", "verify"))]);
  for (const one of verified) if ("code" in one) assert.equal(one.code, 0, one.err);
  assert.equal((await home.admin("audit", "verify")).code, 0);
  const [row] = await lab.database.rows<{ last: number; rows: number }>(
    "select max(position) as last, count(*) as rows from audit",
  );
  assert.equal(row!.last, row!.rows);
});
