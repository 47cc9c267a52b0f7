import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Granting } from "#services/agent/holdings/granting.ts";
import { openTicketKeys } from "#services/agent/signing/ticket-keys.ts";
import { type Grant, grantsBeginning } from "#services/agent/store/holdings/grants.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import type { Share } from "#shared/model/resources.ts";
import { DAY, KEYS, NOW, serial } from "../../../support/documents.ts";
import { type AgentLab, agentLab, checkSums, type LabNode, refusal } from "../agent-lab.ts";

const TO = { ticketKey: KEYS.branch.public, identity: KEYS.bob.public.name };
const HELD: Share = { cpuMillis: 4000, memoryMib: 4000, diskMib: 40_000, egressKbps: 4000, slivers: 10 };

async function grantingOf(lab: AgentLab): Promise<Granting> {
  const { database, clock, config } = lab;
  const keys = await openTicketKeys(config.ticket_key);
  return new Granting({ database, keys, clock, overbooking: config.overbooking });
}

type Asked = {
  slivers: number;
  memoryMib: number;
  days?: number;
  replaces?: Grant;
  ports?: readonly number[];
};

function wish(node: LabNode, { slivers, memoryMib, days, replaces, ports = [] }: Asked) {
  return {
    node: node.name,
    to: TO,
    share: () => ({ cpuMillis: 0, memoryMib, diskMib: 1000, egressKbps: 0, slivers }),
    ports: ports.map((port) => ({ protocol: "tcp" as const, from: port, to: port })),
    mayHandOn: true,
    ...(days !== undefined && { until: NOW + days * DAY }),
    ...(replaces && { replaces }),
  };
}

const ticket = (
  lab: AgentLab,
  slice: string,
  memory_mib: number,
  ports: readonly number[] = [],
  { ip }: LabNode = lab.nodes[0],
) =>
  lab.alice.client.newtickets({
    ...{ slice, ntickets: 1, leaselen: DAY, ips: [ip] },
    resources: { cpu_millis: 0, memory_mib, disk_mib: 100, egress_kbps: 0 },
    ports: ports.map((port) => ({ protocol: "tcp", from: port, to: port })),
  });

/** Every instant at which something begins or ends, with what is charged then by the definition itself, row by row. */
async function checkEveryInstant({ database }: AgentLab): Promise<void> {
  const over = await database.rows(
    `with instants as (
       select account, counted_from as instant from tickets where state in ('issued', 'redeemed')
       union select h.account, g.term_start from grants g join holdings h on h.id = g.holding
       union select h.account, g.term_end from grants g join holdings h on h.id = g.holding)
     select * from (
       select i.instant,
         (select max(h.slivers) from holdings h where h.account = i.account
            and h.term_start <= i.instant and i.instant < h.term_end) as slivers_held,
         (select max(h.memory_mib) from holdings h where h.account = i.account
            and h.term_start <= i.instant and i.instant < h.term_end) as memory_held,
         (select count(*) from tickets t where t.account = i.account and t.state in ('issued', 'redeemed')
            and t.counted_from <= i.instant and i.instant < t.counted_to)
         + (select coalesce(sum(m), 0) from (
              select max(g.slivers) as m from grants g join holdings h on h.id = g.holding
              where h.account = i.account and g.state in ('granted', 'closing')
                and g.term_start <= i.instant and i.instant < g.term_end group by g.line) as lines) as slivers,
         (select coalesce(sum(t.memory_mib), 0) from tickets t where t.account = i.account
            and t.state in ('issued', 'redeemed') and t.counted_from <= i.instant and i.instant < t.counted_to)
         + (select coalesce(sum(m), 0) from (
              select max(g.memory_mib) as m from grants g join holdings h on h.id = g.holding
              where h.account = i.account and g.state in ('granted', 'closing')
                and g.term_start <= i.instant and i.instant < g.term_end group by g.line) as lines) as memory
       from instants i) as use
     where slivers > slivers_held or memory > memory_held`,
  );
  assert.deepEqual(over, []);
}

/** For want of room, or since another was quicker: the only refusals there may be. */
function refusedForRoom(reason: unknown): void {
  if (reason instanceof OperatorError) assert.match(reason.message, /is being closed/);
  else assert.ok(reason instanceof Fault && ["NO_CAPACITY", "BUSY"].includes(reason.name), String(reason));
}

const RUNS = 8;

const step = fc.oneof(
  fc.record({ kind: fc.constant("ticket" as const), memory: fc.integer({ min: 1, max: 900 }) }),
  fc.record({
    kind: fc.constant("grant" as const),
    slivers: fc.integer({ min: 1, max: 4 }),
    memory: fc.integer({ min: 1, max: 1500 }),
    days: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({
    kind: fc.constant("renew" as const),
    slivers: fc.integer({ min: 1, max: 4 }),
    memory: fc.integer({ min: 1, max: 1500 }),
    days: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({ kind: fc.constant("settle" as const) }),
  fc.record({ kind: fc.constant("deposit" as const) }),
);

test("whatever grants and tickets come in whatever order and at once, no instant has more than is held", async () => {
  await using lab = await agentLab({ nodes: RUNS, deposited: false });
  const granting = await grantingOf(lab);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 16 }), async (steps) => {
      const node = lab.nodes[runs]!; // one that nothing was done with
      runs += 1;
      const root = await node.deposit(node.root({ resources: HELD, serial: serial(100) }));
      const made: string[] = [];
      const work = async (one: (typeof steps)[number], at: number): Promise<void> => {
        switch (one.kind) {
          case "ticket":
            await ticket(lab, `r${runs}x${at}`, one.memory, [], node);
            return;
          case "grant": {
            const asked = { slivers: one.slivers, memoryMib: one.memory, days: one.days };
            made.push((await granting.grant(wish(node, asked))).id);
            return;
          }
          case "renew": {
            const [replaces] = made.length > 0 ? await grantsBeginning(lab.database, made.at(-1)!) : [];
            const asked = { slivers: one.slivers, memoryMib: one.memory, days: one.days };
            if (replaces) made.push((await granting.grant(wish(node, { ...asked, replaces }))).id);
            return;
          }
          case "settle": {
            const rows = await lab.database.rows<{ id: string }>(
              "select id from tickets where state = 'issued' and node = $1 limit 1",
              [node.name],
            );
            await node.client.settletickets({ cancelled: rows.map(({ id }) => id) });
            return;
          }
          case "deposit": {
            const replaces = { serial: serial(101 + at), replaces: root.id, resources: HELD };
            await node.deposit(node.root(replaces));
            return;
          }
          default:
            return one satisfies never;
        }
      };
      // Some one after the other, the rest all at once.
      const alone = Math.floor(steps.length / 3);
      for (const [at, one] of steps.slice(0, alone).entries()) await work(one, at).catch(refusedForRoom);
      const settled = await Promise.allSettled(steps.slice(alone).map((one, at) => work(one, alone + at)));
      for (const one of settled) if (one.status === "rejected") refusedForRoom(one.reason);
      await checkEveryInstant(lab);
      await checkSums(lab);
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});

test("ports that were handed on are nobody else's, and ports that somebody has are not handed on", async () => {
  await using lab = await agentLab();
  const granting = await grantingOf(lab);
  const [node] = lab.nodes;
  await ticket(lab, "web", 100, [8080]);
  const asked = { slivers: 1, memoryMib: 100 };
  await assert.rejects(
    granting.grant(wish(node, { ...asked, ports: [8080] })),
    refusal("NO_CAPACITY", /tcp 8080/),
  );
  const { id } = await granting.grant(wish(node, { ...asked, ports: [8081, 8082] }));
  await assert.rejects(ticket(lab, "other", 100, [8081]), refusal("NO_CAPACITY", /tcp 8081/));
  await assert.rejects(
    granting.grant(wish(node, { ...asked, ports: [8082] })),
    refusal("NO_CAPACITY", /tcp 8082/),
  );
  const [replaces] = await grantsBeginning(lab.database, id);
  await granting.grant(wish(node, { ...asked, replaces: replaces!, ports: [8082, 8083] }));
  await assert.rejects(ticket(lab, "third", 100, [8083]), refusal("NO_CAPACITY"));
  assert.deepEqual(await lab.alice.client.getslices(), ["web"], "a grant is no slice");
});

test("nothing is handed on beyond what is held, in any way, nor what cannot be split further", async () => {
  await using lab = await agentLab({ deposited: false });
  const granting = await grantingOf(lab);
  const [node, other] = lab.nodes;
  const asked = wish(node, { slivers: 1, memoryMib: 100 });
  await assert.rejects(granting.grant(asked), /nothing is held on that node now/);
  await node.deposit(node.root({ engine: "simulated", slicePrefix: "princeton" }));
  for (const [element, beyond] of [
    ["resources", { share: (held: Share) => ({ ...held, cpuMillis: held.cpuMillis + 1 }) }],
    ["resources slivers", { share: (held: Share) => ({ ...held, slivers: held.slivers + 1 }) }],
    ["validfrom_time", { until: NOW + 4000 * DAY }],
    ["engine", { engine: "container" as const }],
    ["slice_prefix", { slicePrefix: "upenn" }],
    ["ports", { ports: [{ protocol: "tcp" as const, from: 22, to: 22 }] }],
    ["administrative", { administrative: ["CAP_NET_RAW" as const] }],
  ] as const) {
    await assert.rejects(granting.grant({ ...asked, ...beyond }), refusal("BAD_CHAIN", new RegExp(element)));
  }
  await assert.rejects(granting.grant({ ...asked, until: NOW }), /choose a later end/);
  await other.deposit(other.root({ splits: 1 }));
  const deep = { ...asked, node: other.name };
  await assert.rejects(granting.grant(deep), /not be handed on/);
  assert.deepEqual(await lab.database.rows("select from grants"), []);
  const { ticket: made } = await granting.grant(asked);
  assert.deepEqual([made.engine, made.slicePrefix, made.splits], ["simulated", "princeton", 2]);
});
