import assert from "node:assert/strict";
import { test } from "node:test";
import { openAgentDatabase } from "#services/agent/service.ts";
import { openTicketKeys } from "#services/agent/signing/ticket-keys.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Database, Queries } from "#shared/runtime/database.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { DAY, serial } from "../../../support/documents.ts";
import { type AgentLab, agentLab, charges, checkSums, lockWaits, refusal } from "../agent-lab.ts";
import { enrolFleet } from "../fleet.ts";

const FOUR = { slice: "princeton_dns", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };

/** How many tickets each call got; 0 where it was refused for want of room, which is the only refusal there may be. */
async function outcomes(calls: readonly Promise<string[]>[]): Promise<number[]> {
  return (await Promise.allSettled(calls)).map((outcome) => {
    if (outcome.status === "fulfilled") return outcome.value.length;
    refusal("NO_CAPACITY")(outcome.reason);
    return 0;
  });
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

/** No account of the books is overdrawn at any instant. */
async function checkLimits(lab: AgentLab): Promise<void> {
  const overdrawn = await lab.database.rows(
    `select a.id from accounts a cross join lateral account_free(a.id, '2029-01-01', '2031-01-01', 1000) f
     join holdings h on h.account = a.id
     where exists (select from charges c cross join lateral account_free(a.id, c.counted_from, c.counted_to, 1000) g
       where c.account = a.id and least(g.slivers, g.memory_mib, g.disk_mib, g.cpu_millis, g.egress_kbps) < 0)`,
  );
  assert.deepEqual(overdrawn, []);
  await checkSums(lab);
}

test("many at once for the last units of one node: exactly as many as fit", async () => {
  await using lab = await agentLab({ share: { slivers: 25 } });
  const [{ ip }] = lab.nodes;
  const calls = Array.from({ length: 64 }, (_, at) => {
    const { client } = at % 2 === 0 ? lab.alice : lab.bob;
    return client.newtickets({ ...FOUR, slice: `s${at}`, ips: [ip] });
  });
  assert.equal(sum(await outcomes(calls)), 25);
  assert.equal((await charges(lab)).length, 25);
  await checkLimits(lab);
});

test("many at once for many nodes, named in opposite orders: no deadlock, nothing partial, nothing left that fits", async () => {
  await using lab = await agentLab({ nodes: 6, share: { slivers: 10 } });
  const ips = lab.nodes.map(({ ip }) => ip);
  const calls = Array.from({ length: 40 }, (_, at) => {
    const { client } = at % 2 === 0 ? lab.alice : lab.bob;
    const order = at % 3 === 0 ? ips : ips.toReversed();
    return client.newtickets({ ...FOUR, slice: `s${at}`, ntickets: 3, ips: order });
  });
  const got = await outcomes(calls);
  assert.ok(got.every((count) => count === 0 || count === 3));
  assert.equal(sum(got), 60, "every unit of six nodes with ten is taken");
  await checkLimits(lab);
});

test("many at once for any node: spread until every unit is gone", async () => {
  await using lab = await agentLab({ nodes: 5, share: { slivers: 6 } });
  const calls = Array.from({ length: 48 }, (_, at) =>
    lab.alice.client.newtickets({ ...FOUR, slice: `s${at}` }),
  );
  assert.equal(sum(await outcomes(calls)), 30);
  await checkLimits(lab);
});

test("many agents on one database are as safe as one", async () => {
  await using lab = await agentLab({ share: { slivers: 12 } });
  await using second = await lab.sibling();
  const [{ ip }] = lab.nodes;
  const clients = [lab.alice.client, second.client(lab.bob)];
  const calls = Array.from({ length: 40 }, (_, at) =>
    clients[at % 2]!.newtickets({ ...FOUR, slice: `s${at}`, ips: [ip] }),
  );
  assert.equal(sum(await outcomes(calls)), 12);
  await checkLimits(lab);
});

test("issuing, settling and releasing all at once leave the books exact", async () => {
  await using lab = await agentLab({ nodes: 3, share: { slivers: 8 } });
  const issue = async (at: number) => {
    const texts = await lab.alice.client
      .newtickets({ ...FOUR, slice: `s${at % 7}x${at}`, ntickets: 2 })
      .catch((error) => {
        refusal("NO_CAPACITY")(error);
        return [];
      });
    await Promise.all(
      texts.map(async (text) => {
        const { id, body } = parseDocument(text);
        const node = lab.nodes.find(({ ip }) => body.includes(`<ip>${ip}</ip>`))!;
        if (at % 2 === 0) await node.client.settletickets({ redeemed: [id] });
        else await lab.alice.client.releasetickets({ tickets: [text] });
        await node.client.settletickets(at % 2 === 0 ? { ended: [id] } : { cancelled: [id] });
      }),
    );
  };
  await Promise.all(Array.from({ length: 60 }, (_, at) => issue(at)));
  assert.deepEqual(await charges(lab), []);
  await checkSums(lab);
});

test("two that have both seen the last unit free: one of them gets it", async () => {
  await using lab = await agentLab({ share: { slivers: 1 } });
  const [{ ip }] = lab.nodes;
  const got = await bothDecided(lab, (slice) => lab.alice.client.newtickets({ ...FOUR, slice, ips: [ip] }));
  assert.equal(sum(got), 1);
  await checkLimits(lab);
});

test("two that have both seen a port free: one of them gets it, whatever account they are charged to", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  await node.deposit(node.root({ serial: serial(50) }));
  const ports = [{ protocol: "tcp" as const, from: 8080, to: 8081 }];
  const ask = (slice: string) => lab.alice.client.newtickets({ ...FOUR, slice, ips: [node.ip], ports });
  assert.equal(sum(await bothDecided(lab, ask)), 1);
});

/** Two calls, held back where they write, after both had the time to decide. */
async function bothDecided(lab: AgentLab, ask: (slice: string) => Promise<string[]>): Promise<number[]> {
  let calls: Promise<number[]> | undefined;
  await lab.database.transaction(async (tx) => {
    await tx.run("lock table tickets in share mode");
    calls = outcomes([ask("one"), ask("two")]);
    await lockWaits(lab, 2);
  });
  return await calls!;
}

test("one slice's quota of nodes holds whatever asks for it at once", async () => {
  await using lab = await agentLab({ nodes: 6 });
  const [granted] = await lab.database.rows<{ id: number }>(
    "select v.id from privileges v join principals p on p.name = v.principal where p.label = 'alice'",
  );
  await lab.registry.withdraw(granted!.id);
  await lab.registry.grant("alice", {
    sliceType: "conventional",
    maxNodes: 4,
    maxLeaseSeconds: 14 * DAY,
    maxRenewableSeconds: 28 * DAY,
    capabilities: [],
  });
  const settled = await Promise.allSettled(
    lab.nodes.map(({ ip }) => lab.alice.client.newtickets({ ...FOUR, ips: [ip] })),
  );
  assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 4);
  for (const one of settled) if (one.status === "rejected") refusal("QUOTA", /4 nodes/)(one.reason);
});

test("a name asked for by two at once belongs to one of them", async () => {
  await using lab = await agentLab();
  const settled = await Promise.allSettled(
    Array.from({ length: 16 }, (_, at) => (at % 2 ? lab.alice : lab.bob).client.newtickets(FOUR)),
  );
  const owners = await lab.database.rows("select distinct principal from tickets");
  assert.equal(owners.length, 1);
  for (const one of settled) {
    if (one.status === "fulfilled") continue;
    assert.ok(one.reason instanceof Fault && ["NOT_PRINCIPAL", "NO_CAPACITY"].includes(one.reason.name));
  }
});

test("tickets for a thousand nodes are a handful of statements", async () => {
  let statements = 0;
  const counted = <Q extends Queries>(queries: Q): Q => {
    const count = <A extends unknown[], R>(send: (...values: A) => R) => {
      return (...values: A) => {
        statements += 1;
        return send(...values);
      };
    };
    const { rows, row, run } = queries;
    return { ...queries, rows: count(rows), row: count(row), run: count(run) };
  };
  const openDatabase = (url: string): Database => {
    const database = openAgentDatabase(url);
    return {
      ...counted(database),
      transaction: (work, how) => database.transaction((tx) => work(counted(tx)), how),
    };
  };
  await using lab = await agentLab({ deps: { openDatabase } });
  const keys = await openTicketKeys(lab.config.ticket_key);
  await enrolFleet(lab.database, keys, lab.clock, { nodes: 1000 });
  statements = 0;
  const tickets = await lab.alice.client.newtickets({
    ...FOUR,
    ntickets: 1000,
    ips: "0.0.0.0",
    request_id: "once",
  });
  assert.equal(tickets.length, 1000);
  assert.ok(statements <= 6, `${statements} statements`);
  const nodes = new Set(
    tickets.map((text) => /<ip>(.*?)<\/ip>/.exec(parseDocument(text).body.toString())![1]),
  );
  assert.equal(nodes.size, 1000);
});
