import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addMember, removeMember } from "#services/agent/registry/membership.ts";
import { type Administrator, Office, OPERATOR } from "#services/agent/registry/office.ts";
import { transferSlice } from "#services/agent/registry/ownership.ts";
import { removeQuota, setQuota } from "#services/agent/registry/quota.ts";
import { Registry } from "#services/agent/registry/registry.ts";
import { drainNode, overbookNode, retireNode } from "#services/agent/registry/standing.ts";
import { barRevoked } from "#services/agent/store/revocations.ts";
import { Fault, type FaultName, OperatorError } from "#shared/model/errors.ts";
import type { Database } from "#shared/runtime/database.ts";
import { NOW } from "../../../support/documents.ts";
import { checkSums, lockWaits, refusal } from "../agent-lab.ts";
import type { FleetNode } from "../fleet.ts";
import { orderFor, type PolicyLab, policyLab } from "./policy-lab.ts";

/** A change that an administrator makes while somebody is given a ticket, and what is told whoever asks after it. */
type Change = {
  readonly title: string;
  readonly make: (lab: PolicyLab, by: Administrator, slice: string) => Promise<unknown>;
  readonly fault: FaultName;
  /** It is refused itself where the ticket came first. */
  readonly refused?: true;
  /** Whoever asks is a member of the slice, which is the colleague's. */
  readonly member?: true;
};

const office = ({ other, clock }: PolicyLab, by: Administrator) => new Office(other, clock, by);
const registry = ({ other, clock }: PolicyLab, by: Administrator) => new Registry(other, clock, by);
const ipOf = ({ nodes: [node] }: PolicyLab) => node.ip;

const CHANGES: readonly Change[] = [
  {
    title: "withdraws the privilege",
    make: async (lab, by) => {
      const row = await lab.database.row<{ id: number }>(
        "select v.id from privileges v join principals p on p.name = v.principal where p.label = 'researcher'",
      );
      await registry(lab, by).withdraw(row!.id);
    },
    fault: "NO_PRIVILEGE",
  },
  {
    title: "suspends the principal",
    make: (lab, by) => registry(lab, by).suspend("researcher", true),
    fault: "SUSPENDED",
  },
  {
    title: "hands the name over",
    make: (lab, by, slice) => transferSlice(office(lab, by), slice, "colleague"),
    fault: "NOT_PRINCIPAL",
  },
  {
    title: "suspends the node",
    make: (lab, by) => registry(lab, by).suspend(ipOf(lab), true),
    fault: "NO_CAPACITY",
  },
  {
    title: "revokes the node's key",
    make: ({ other, nodes: [node] }, by) =>
      other.transaction(async (tx) => {
        await tx.run("insert into revoked (signer, kind, id, since) values ($1, 'key', $1, now())", [
          node.key.public.name,
        ]);
        await barRevoked(tx, NOW);
        await by.remember(tx, 1);
      }),
    fault: "NO_CAPACITY",
  },
  {
    title: "puts the member out",
    make: (lab, by, slice) => removeMember(office(lab, by), slice, "researcher"),
    fault: "NOT_PRINCIPAL",
    member: true,
  },
  {
    title: "lowers the quota of the slice's owner",
    make: (lab, by) => setQuota(office(lab, by), { principal: "colleague" }, { slivers: 0 }),
    fault: "QUOTA",
    member: true,
  },
  { title: "drains it", make: (lab, by) => drainNode(office(lab, by), ipOf(lab)), fault: "NO_CAPACITY" },
  {
    title: "retires it",
    make: (lab, by) => retireNode(office(lab, by), ipOf(lab)),
    fault: "NO_CAPACITY",
    refused: true,
  },
  {
    title: "overbooks it no more",
    make: (lab, by) => overbookNode(office(lab, by), ipOf(lab), 1000),
    fault: "NO_CAPACITY",
  },
  {
    title: "lowers the principal's quota",
    make: (lab, by) => setQuota(office(lab, by), { principal: "researcher" }, { slivers: 0 }),
    fault: "QUOTA",
  },
  {
    title: "lowers the site's quota",
    make: (lab, by) => setQuota(office(lab, by), { site: "mit" }, { memoryMib: 127 }),
    fault: "QUOTA",
  },
];

/** Everything as it was; a node on which one ticket is too much unless it is overbooked, where that is to count. */
async function reset(
  { database, nodes: [node] }: PolicyLab,
  { slivers }: { slivers: number },
): Promise<void> {
  await database.run(
    `update tickets set state = 'ended', settled = now() where state in ('issued', 'redeemed');
     delete from revoked; update principals set suspended = false, revoked = null; delete from quotas; delete from privileges;
     insert into privileges (principal, slice_type, max_nodes, max_lease_seconds, max_renewable_seconds, valid_from)
       select name, 'conventional', 5, 90000, 900000, '2029-12-01' from principals where role = 'researcher';
     update nodes set drained = null, retired = null, overbooking = 10000 where node = '${node.key.public.name}';
     update holdings set slivers = ${slivers} where node = '${node.key.public.name}'`,
  );
}

/** Something that comes as far as it can before it is durable, and stays there until it is let go on. */
type Held<T> = Disposable & { readonly there: Promise<void>; readonly done: Promise<T>; letGo(): void };

function held<T>(work: (stop: () => Promise<void>) => Promise<T>): Held<T> {
  const there = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const done = work(async () => {
    there.resolve();
    await gate.promise;
  });
  done.catch(there.reject); // and looked at by whoever waits for it
  return { there: there.promise, done, letGo: gate.resolve, [Symbol.dispose]: gate.resolve };
}

/** An administrator whose act is complete and not yet committed when it stops. */
function stopping(stop: () => Promise<void>): Administrator {
  return { ...OPERATOR, remember: stop };
}

/** Books on which what issues stops when it has written and not yet committed. */
function stoppingBooks(database: Database, stop: () => Promise<void>): Database {
  return {
    ...database,
    run: (sql, values) =>
      database.transaction(async (tx) => {
        const count = await tx.run(sql, values);
        await stop();
        return count;
      }),
  };
}

const asking = (
  lab: PolicyLab,
  slice: string,
  { on, node = lab.nodes[0] }: { on?: Database; node?: FleetNode } = {},
) =>
  lab.issuance(on).issue(orderFor(slice, node), {
    ...{ principal: lab.people.researcher, method: "newtickets" },
  });

test("whoever changes something in mid-request comes before it or after it, and what is issued agrees", async () => {
  await using lab = await policyLab();
  const { database } = lab;
  const rounds = fc.sample(
    fc.shuffledSubarray(
      CHANGES.flatMap(
        (change) =>
          [
            [change, 1],
            [change, 2],
          ] as const,
      ),
      { minLength: 2 * CHANGES.length },
    ),
    { numRuns: 1, seed: 5 },
  )[0]!;
  for (const [at, [{ title, make, fault, refused, member }, first]] of rounds.entries()) {
    const slice = `s${at}`;
    const told = `somebody ${title}, ${first === 1 ? "then a ticket" : "after a ticket"}`;
    await reset(lab, { slivers: 1 });
    await database.run("insert into slices (name, principal, since) values ($1, $2, now())", [
      ...[slice, lab.people[member ? "colleague" : "researcher"].name],
    ]);
    if (member) await addMember(office(lab, OPERATOR), slice, "researcher");
    if (title.startsWith("overbooks")) await asking(lab, `${slice}x`);
    const before = await counted(lab);
    if (first === 1) {
      using change = held((stop) => make(lab, stopping(stop), slice));
      await change.there;
      // It has found all well, as others see it, and waits where it issues.
      const asked = asking(lab, slice);
      asked.catch(() => undefined); // looked at below
      await lockWaits(lab, 1);
      change.letGo();
      await change.done;
      await assert.rejects(asked, refusal(fault), told);
      assert.equal(await counted(lab), before, told);
      continue;
    }
    using ticket = held((stop) => asking(lab, slice, { on: stoppingBooks(database, stop) }));
    await ticket.there;
    const changed = make(lab, OPERATOR, slice);
    changed.catch(() => undefined); // looked at below
    await lockWaits(lab, 1);
    ticket.letGo();
    assert.equal((await ticket.done).length, 1, told);
    if (refused) await assert.rejects(changed, OperatorError, told);
    else {
      await changed;
      await assert.rejects(asking(lab, slice), refusal(fault), told);
    }
    assert.equal(await counted(lab), before + 1, told);
  }
  await checkSums(lab);
});

async function counted({ database }: PolicyLab, node?: FleetNode): Promise<number> {
  const row = await database.row<{ count: number }>(
    "select count(*) from charges where $1::text is null or node = $1",
    [node?.key.public.name ?? null],
  );
  return row!.count;
}

test("two that each fit a quota, on different nodes, of one principal or of one site: the second sees the first", async () => {
  await using lab = await policyLab();
  const [one, another] = lab.nodes;
  for (const [slice, whose, principal] of [
    ["own", { principal: "researcher" }, lab.people.researcher],
    ["site", { site: "mit" }, lab.people.colleague],
  ] as const) {
    await reset(lab, { slivers: 8 });
    await setQuota(office(lab, OPERATOR), whose, { slivers: 1 });
    using first = held((stop) =>
      asking(lab, `${slice}a`, { on: stoppingBooks(lab.database, stop), node: one }),
    );
    await first.there;
    const second = lab.issuance().issue(orderFor(`${slice}b`, another), { principal, method: "newtickets" });
    second.catch(() => undefined); // looked at below
    await lockWaits(lab, 1);
    first.letGo();
    assert.equal((await first.done).length, 1);
    await assert.rejects(second, refusal("QUOTA", /2 slivers/));
  }
});

/** What limits a principal on all nodes together, and what on one of them; absent: nothing does. */
type Caps = { readonly own?: number; readonly site?: number; readonly factor: number };

const HELD = 4;
const together = ({ own = 99, site = 99 }: Caps) => Math.min(own, site);
const there = ({ factor }: Caps) => Math.floor((HELD * factor) / 1000);

const caps: fc.Arbitrary<Caps> = fc.record({
  own: fc.option(fc.nat({ max: 8 }), { nil: undefined }),
  site: fc.nat({ max: 9 }),
  factor: fc.integer({ min: 1000, max: 2000 }),
});

test("limits that move while tickets are issued: never more than one of them allowed meanwhile, and all that the last allows", async () => {
  await using lab = await policyLab();
  const { nodes } = lab;
  await reset(lab, { slivers: HELD });
  let now: Caps = { factor: 10_000 };
  for (const [round, next] of fc.sample(caps, { numRuns: 12, seed: 7 }).entries()) {
    const before = [await counted(lab), await counted(lab, nodes[0])] as const;
    const asked = Array.from({ length: 6 }, (_, at) =>
      asking(lab, `r${round}x${at}`, { node: nodes[at % 3] }),
    );
    const [outcomes] = await Promise.all([Promise.allSettled(asked), limit(lab, next)]);
    for (const one of outcomes)
      if (one.status === "rejected") assert.ok(isLimit(one.reason), `${one.reason}`);
    const after = [await counted(lab), await counted(lab, nodes[0])] as const;
    const told = `${round}: ${before}, then ${after}; ${JSON.stringify([now, next])}`;
    assert.equal(after[0] - before[0], outcomes.filter(({ status }) => status === "fulfilled").length, told);
    // They are set one by one, in this order.
    const steps = [now, { ...now, factor: next.factor }, { ...next, site: now.site }, next];
    assert.ok(after[0] <= Math.max(before[0], ...steps.map(together)), told);
    assert.ok(after[1] <= Math.max(before[1], ...steps.map(there)), told);
    await fill(lab, `f${round}`);
    const all = [await counted(lab), await counted(lab, nodes[0])] as const;
    assert.equal(all[0], Math.max(after[0], together(next)), told);
    assert.ok(all[1] <= Math.max(after[1], there(next)), told);
    await lab.database.run(
      `update tickets set state = 'ended', settled = now() where id in (
         select id from tickets where state = 'issued' order by id limit ${3 + (round % 4)})`,
    );
    now = next;
  }
  await checkSums(lab);
});

/** Asks one after the other, until each node refuses. */
async function fill(lab: PolicyLab, slices: string): Promise<void> {
  for (const [at, node] of lab.nodes.entries()) {
    for (let count = 0; ; count++) {
      try {
        await asking(lab, `${slices}x${at}${count}`, { node });
      } catch (error) {
        assert.ok(isLimit(error), `${error}`);
        break;
      }
    }
  }
}

function isLimit(error: unknown): boolean {
  return error instanceof Fault && ["QUOTA", "NO_CAPACITY"].includes(error.name);
}

async function limit(lab: PolicyLab, { own, site, factor }: Caps): Promise<void> {
  const desk = office(lab, OPERATOR);
  await overbookNode(desk, ipOf(lab), factor);
  for (const [whose, slivers] of [
    [{ principal: "researcher" }, own],
    [{ site: "mit" }, site],
  ] as const) {
    if (slivers !== undefined) await setQuota(desk, whose, { slivers });
    else await removeQuota(desk, whose).catch((error) => assert.ok(error instanceof OperatorError));
  }
}
