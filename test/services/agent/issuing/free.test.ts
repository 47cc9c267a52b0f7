import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openAgentDatabase } from "#services/agent/service.ts";
import { type Charge, freeDuring, type Limit, overbooked } from "#shared/model/account.ts";
import type { Share } from "#shared/model/resources.ts";
import type { Term } from "#shared/model/time.ts";
import type { Database } from "#shared/runtime/database.ts";
import { testDatabase } from "../../../support/database.ts";

/** Short, so that terms meet, touch and overlap. */
const term: fc.Arbitrary<Term> = fc
  .tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 10 }))
  .map(([start, length]) => ({ start, end: start + length }));

const amount = fc.integer({ min: 0, max: 9 });
const share: fc.Arbitrary<Share> = fc.record({
  cpuMillis: amount,
  memoryMib: amount,
  diskMib: amount,
  egressKbps: amount,
  slivers: fc.integer({ min: 1, max: 9 }),
});
const limits = fc.array(fc.record({ share, during: term }), { maxLength: 4 });
const charges = fc.array(fc.record({ share: share.map((s) => ({ ...s, slivers: 1 })), during: term }), {
  maxLength: 12,
});

test("what the database says is free is what the model says, whatever the holdings and charges over time", async () => {
  await using owned = await testDatabase("agent");
  await using database = openAgentDatabase(owned.url);
  await setUp(database);
  let account = 0;
  await fc.assert(
    fc.asyncProperty(
      limits,
      charges,
      term,
      fc.constantFrom(1000, 1500, 3333),
      async (held, taken, during, perMille) => {
        account = await newAccount(database, held, taken);
        const free = await database.row<Record<string, number>>(
          "select * from account_free($1, to_timestamp($2), to_timestamp($3), $4)",
          [account, during.start, during.end, perMille],
        );
        const most = held.map((limit) => ({ ...limit, share: overbooked(limit.share, perMille) }));
        const model = freeDuring(most, taken, during);
        const bounded = Object.values(free!).map((left) => Math.max(0, left));
        assert.deepEqual(bounded, [
          model.cpuMillis,
          model.memoryMib,
          model.diskMib,
          model.egressKbps,
          model.slivers,
        ]);
      },
    ),
    { numRuns: 150 },
  );
});

async function setUp(database: Database): Promise<void> {
  const name = "a".repeat(64);
  await database.run("insert into ticket_keys values ($1, 'x', now())", [name]);
  await database.run(
    "insert into principals (name, sha1, public_key, label, role, added) values ($1, $2, 'x', 'node', 'node', now())",
    [name, "b".repeat(40)],
  );
  await database.run("insert into nodes (node, ip) values ($1, '10.0.0.1')", [name]);
  await database.run("insert into slices (name, principal, since) values ('s', $1, now())", [name]);
}

async function newAccount(
  database: Database,
  held: readonly Limit[],
  taken: readonly Charge[],
): Promise<number> {
  const name = "a".repeat(64);
  const row = await database.row<{ id: number }>("insert into accounts (node) values ($1) returning id", [
    name,
  ]);
  const id = row!.id;
  for (const [at, { share: s, during }] of held.entries()) {
    await database.run(
      `insert into holdings (id, account, node, principal, issuer, splits, valid_from, valid_to, term_start, term_end,
         cpu_millis, memory_mib, disk_mib, egress_kbps, slivers, lineage, deposited)
       values (lpad(to_hex($1::bigint * 16 + $2::int), 64, '0'), $1, $3, $3, $3, 1, to_timestamp($4), to_timestamp($5),
         to_timestamp($4), to_timestamp($5), $6, $7, $8, $9, $10, '[]', now())`,
      [id, at, name, during.start, during.end, s.cpuMillis, s.memoryMib, s.diskMib, s.egressKbps, s.slivers],
    );
  }
  for (const [at, { share: s, during }] of taken.entries()) {
    await database.run(
      `insert into tickets (id, holding, account, node, slice, principal, issued, valid_to, counted_from, counted_to,
         cpu_millis, memory_mib, disk_mib, egress_kbps, body)
       values ($1::bigint || ' ' || $2::int, '', $1, $3, 's', $3, now(), now(), to_timestamp($4), to_timestamp($5), $6, $7, $8, $9, '')`,
      [id, at, name, during.start, during.end, s.cpuMillis, s.memoryMib, s.diskMib, s.egressKbps],
    );
  }
  return id;
}
