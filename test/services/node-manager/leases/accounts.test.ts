import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openStore, type Store } from "#services/node-manager/store.ts";
import type { Fault } from "#shared/model/errors.ts";
import type { Holding } from "#shared/model/ticket.ts";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { DAY, KEYS, NOW, rootTicket, type Sealed, serial } from "#test/support/documents.ts";
import { CAPACITY, type NodeLab, nodeLab } from "../lab/node-lab.ts";
import { assertRefused } from "../lab/refusal.ts";

/** A node with room for much more than it gives its agent, so that only accounts can be in the way. */
async function roomyLab(): Promise<NodeLab> {
  const capacity = { ...CAPACITY, cpuMillis: 1_000_000 };
  const lab = await nodeLab({ config: { capacity } });
  return lab;
}

const cpu = (cpuMillis: number) => ({ cpuMillis, memoryMib: 1, diskMib: 1, egressKbps: 0 });

async function redeemed(
  lab: NodeLab,
  slice: string,
  cpuMillis: number,
  under?: Sealed<Holding>,
): Promise<string> {
  const ticket = await lab.ticket({ slice, resources: cpu(cpuMillis) }, under);
  try {
    await lab.alice.newlease({ ticketdata: ticket.text });
    return "leased";
  } catch (error) {
    return (error as Fault).name;
  }
}

test("siblings that together claim more than their holding are refused at redemption, saying under which", async () => {
  await using lab = await roomyLab();
  const parent = await lab.holding({ splits: 2, resources: { ...CAPACITY, cpuMillis: 1000 } });
  const [one, two] = [
    await lab.holding({ to: KEYS.bob, splits: 1, resources: parent.ticket.resources }, parent),
    await lab.holding({ to: KEYS.bob, splits: 1, resources: parent.ticket.resources }, parent),
  ];
  assert.equal(await redeemed(lab, "a", 600, one), "leased");
  assert.equal(await redeemed(lab, "b", 400, two), "leased");
  const third = await lab.ticket({ slice: "c", resources: cpu(1) }, two);
  const which = new RegExp(`the holding ${parent.id.slice(0, 12)}… has 0 thousandths of a core left`);
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: third.text }), "NO_CAPACITY", which);
  await lab.alice.deletelease({ slice: "b" });
  assert.ok(await lab.alice.newlease({ ticketdata: third.text }), "what ended is free again");
});

test("a holding may hold as many slivers as it says", async () => {
  await using lab = await roomyLab();
  const holding = await lab.holding({ resources: { ...CAPACITY, slivers: 2 } });
  assert.equal(await redeemed(lab, "a", 0, holding), "leased");
  assert.equal(await redeemed(lab, "b", 0, holding), "leased");
  assert.equal(await redeemed(lab, "c", 0, holding), "NO_CAPACITY");
});

test("an old and a new root are one account: both filled is once filled", async () => {
  await using lab = await roomyLab();
  const old = await lab.root();
  lab.clock.advance(200 * DAY);
  await lab.restart();
  const renewed = await eventually(async () => {
    const latest = await lab.root();
    return latest.id !== old.id && latest;
  });
  assert.equal(renewed.ticket.replaces, old.id);
  assert.equal(await redeemed(lab, "a", 5000, old), "leased");
  assert.equal(await redeemed(lab, "b", 3000, renewed), "leased");
  assert.equal(await redeemed(lab, "c", 1, renewed), "NO_CAPACITY");
  assert.equal(await redeemed(lab, "d", 1, old), "NO_CAPACITY");
});

test("a holding and what it replaces are one account, of which the larger counts while it is in term", async () => {
  await using lab = await roomyLab();
  const small = { ...CAPACITY, cpuMillis: 1000 };
  const large = { ...CAPACITY, cpuMillis: 1500 };
  const first = await lab.holding({ resources: small, term: { start: NOW, end: NOW + 2 * DAY } });
  const second = await lab.holding({
    resources: large,
    replaces: first.id,
    term: { start: NOW + DAY, end: NOW + 30 * DAY },
  });
  assert.equal(await redeemed(lab, "a", 1000, first), "leased");
  lab.clock.advance(DAY - 60);
  const tomorrow = { start: NOW + DAY - 60, end: NOW + 2 * DAY - 60 };
  const over = await lab.ticket(
    {
      slice: "b",
      resources: cpu(600),
      term: { ...tomorrow, start: NOW + DAY },
      renewableUntil: tomorrow.end,
    },
    second,
  );
  lab.clock.advance(60);
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: over.text }),
    "NO_CAPACITY",
    /has 500 thousandths/,
  );
  const fits = await lab.ticket(
    {
      slice: "b",
      resources: cpu(500),
      term: { start: NOW + DAY, end: NOW + 2 * DAY },
      renewableUntil: NOW + 2 * DAY,
    },
    second,
  );
  assert.ok(await lab.alice.newlease({ ticketdata: fits.text }));
});

test("a lease beneath two holdings of one account counts once in it", async () => {
  await using lab = await roomyLab();
  const share = { ...CAPACITY, cpuMillis: 1000 };
  const first = await lab.holding({ to: KEYS.agent, resources: share });
  const second = await lab.holding(
    { to: KEYS.agent, splits: 1, resources: share, replaces: first.id },
    first,
  );
  assert.equal(await redeemed(lab, "a", 600, second), "leased");
  assert.equal(await redeemed(lab, "b", 400, second), "leased");
  assert.equal(await redeemed(lab, "c", 1, second), "NO_CAPACITY");
});

test("a holding can't replace another's: not another principal's, not another issuer's", async () => {
  await using lab = await roomyLab();
  const bobs = await lab.holding({ to: KEYS.bob });
  assert.equal(await redeemed(lab, "a", 1, bobs), "leased");
  const joining = await lab.holding({ replaces: bobs.id });
  assert.equal(await redeemed(lab, "b", 1, joining), "BAD_CHAIN");
  const root = await lab.root();
  const overRoot = await lab.holding({ replaces: root.id });
  assert.equal(await redeemed(lab, "c", 1, overRoot), "BAD_CHAIN");
  const own = await lab.holding({ to: KEYS.bob, replaces: bobs.id });
  assert.equal(await redeemed(lab, "d", 1, own), "leased");
});

test("a holding that named a stranger's before it was known is refused once it is", async () => {
  await using lab = await roomyLab();
  const bobs = await lab.holding({ to: KEYS.bob });
  const claiming = await lab.holding({ replaces: bobs.id });
  assert.equal(await redeemed(lab, "a", 1, claiming), "leased");
  assert.equal(await redeemed(lab, "b", 1, bobs), "leased");
  assert.equal(await redeemed(lab, "c", 1, claiming), "BAD_CHAIN");
  assert.equal(await redeemed(lab, "d", 4000, bobs), "NO_CAPACITY"); // half the root's, less the one of "b"
  assert.equal(await redeemed(lab, "d", 3999, bobs), "leased");
});

test("renewals redeemed in any order end as one account", async () => {
  await using lab = await roomyLab();
  const share = { ...CAPACITY, cpuMillis: 1000 };
  const first = await lab.holding({ resources: share });
  const second = await lab.holding({ resources: share, replaces: first.id });
  const third = await lab.holding({ resources: share, replaces: second.id });
  assert.equal(await redeemed(lab, "a", 500, third), "leased");
  assert.equal(await redeemed(lab, "b", 400, first), "leased", "nothing says yet that these belong together");
  assert.equal(await redeemed(lab, "c", 200, second), "NO_CAPACITY", "now it does");
  assert.equal(await redeemed(lab, "c", 100, second), "leased");
  for (const holding of [first, second, third])
    assert.equal(await redeemed(lab, "d", 1, holding), "NO_CAPACITY");
});

test("whatever order holdings are seen in, accounts are the connected renewals of one issuer and principal", async () => {
  await using directory = await temporaryDirectory();
  let stores = 0;
  const parties = ["aa", "bb"];
  const seen = fc.array(
    fc.record({
      id: fc.integer({ min: 0, max: 9 }),
      replaces: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }),
      principal: fc.constantFrom(...parties),
    }),
    { minLength: 1, maxLength: 12 },
  );
  const property = fc.asyncProperty(seen, async (sightings) => {
    stores += 1;
    const path = join(directory.path, `${stores}.sqlite`);
    using store = await openStore({ path, nodeKey: KEYS.node.public, now: NOW, onFailure: assert.fail });
    const kept = sightings.filter((sighting) => isRecorded(store, sighting));
    const labels = new Map(store.holdings.all().map(({ id, account }) => [id, account]));
    for (const a of kept) {
      for (const b of kept) {
        const together = labels.get(nameOf(a.id)) === labels.get(nameOf(b.id));
        assert.equal(together, areConnected(kept, a.id, b.id), JSON.stringify({ kept, a, b }));
      }
    }
  });
  await fc.assert(property, { numRuns: 60 });
});

type Sighting = { id: number; replaces?: number; principal: string };

function nameOf(id: number): string {
  return serial(id).padStart(64, "0");
}

/** Records as a redemption does; the first sighting of an id is what the holding is. */
function isRecorded(store: Store, { id, replaces, principal }: Sighting): boolean {
  if (store.holdings.find(nameOf(id)) || replaces === id) return false;
  const holding = rootTicket({ principal: principal.repeat(32) });
  const replacing = replaces === undefined ? holding : { ...holding, replaces: nameOf(replaces) };
  try {
    store.transaction((tx) => store.holdings.record(tx, nameOf(id), replacing, ""));
    return true;
  } catch (error) {
    assert.equal((error as Fault).name, "BAD_CHAIN");
    return false;
  }
}

/** The definition, computed the slow way: connected by what they replace, known or not, within one principal. */
function areConnected(sightings: readonly Sighting[], from: number, to: number): boolean {
  const start = sightings.find(({ id }) => id === from)!;
  const end = sightings.find(({ id }) => id === to)!;
  if (start.principal !== end.principal) return false;
  const party = sightings.filter(({ principal }) => principal === start.principal);
  const reached = new Set([from]);
  for (let grown = -1; grown !== reached.size; ) {
    grown = reached.size;
    for (const { id, replaces } of party) {
      if (replaces === undefined || (!reached.has(id) && !reached.has(replaces))) continue;
      reached.add(id).add(replaces);
    }
  }
  return reached.has(to);
}
