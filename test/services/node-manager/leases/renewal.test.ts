import assert from "node:assert/strict";
import { test } from "node:test";
import { formatInstant } from "#shared/model/time.ts";
import { eventually } from "#test/support/deadline.ts";
import { DAY, HOUR, KEYS, NOW, type SliceTicketOverrides } from "#test/support/documents.ts";
import { CAPACITY, type NodeLab, nodeLab } from "../lab/node-lab.ts";
import { assertRefused } from "../lab/refusal.ts";

const slice = "princeton_dns";

async function leased(lab: NodeLab, overrides: SliceTicketOverrides = {}) {
  return lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket(overrides)).text }));
}

test("alone, a lease is extended by its original length, and no further than its ticket allowed", async () => {
  await using lab = await nodeLab();
  const made = await leased(lab, { renewableUntil: NOW + 2 * DAY + HOUR });
  const document = await lab.alice.renewlease({ slice });
  const renewed = lab.lease(document);
  assert.deepEqual(renewed, { ...made, term: { start: NOW, end: NOW + 2 * DAY } });
  assert.deepEqual(await lab.alice.getleases(), [document]);
  assert.equal(lab.lease(await lab.alice.renewlease({ slice })).term.end, NOW + 2 * DAY + HOUR);
  const last = (await lab.alice.getleases())[0];
  assert.equal(await lab.alice.renewlease({ slice }), last, "nothing left to give: the same bytes");
  assert.deepEqual(
    lab.backend.calls.filter((call) => !call.startsWith("ensure")),
    [],
    "the machine is not touched",
  );
});

test("a wished end is granted as far as it goes, and never shortens", async () => {
  await using lab = await nodeLab();
  await leased(lab);
  const until = async (end: number) =>
    lab.lease(await lab.alice.renewlease({ slice, end_time: formatInstant(end) })).term.end;
  assert.equal(await until(NOW + DAY + 1), NOW + DAY + 1);
  assert.equal(await until(NOW + HOUR), NOW + DAY + 1);
  assert.equal(await until(NOW + 400 * DAY), NOW + 2 * DAY);
  await assertRefused(lab, () => lab.alice.renewlease({ slice, end_time: "tomorrow" }), "MALFORMED");
  await assertRefused(lab, () => lab.bob.renewlease({ slice }), "NOT_PRINCIPAL");
});

test("a renewed lease outlives its old end, and a restart knows it", async () => {
  await using lab = await nodeLab();
  await leased(lab);
  const renewed = await lab.alice.renewlease({ slice });
  lab.clock.advance(DAY + HOUR);
  await lab.restart();
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.alice.getleases(), [renewed]);
  lab.clock.advance(DAY);
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.alice.getleases(), []);
});

test("a further ticket takes a lease beyond what the first allowed, and is spent by that", async () => {
  await using lab = await nodeLab();
  const made = await leased(lab);
  lab.clock.advance(DAY / 2);
  const further = await lab.ticket();
  const document = await lab.alice.renewlease({ slice, ticketdata: further.text });
  assert.deepEqual(lab.lease(document), {
    ...made,
    term: { start: NOW, end: NOW + DAY / 2 + DAY },
    renewableUntil: NOW + DAY / 2 + 2 * DAY,
  });
  await assertRefused(
    lab,
    () => lab.alice.renewlease({ slice, ticketdata: further.text }),
    "ALREADY_REDEEMED",
  );
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: further.text }), "ALREADY_REDEEMED");
  await eventually(() => lab.agent.eventsOf(further.id).includes("redeemed"));
  const end = formatInstant(NOW + 10 * DAY);
  assert.equal(
    lab.lease(await lab.alice.renewlease({ slice, end_time: end })).term.end,
    NOW + DAY / 2 + 2 * DAY,
  );
  await lab.alice.deletelease({ slice });
  await eventually(
    () =>
      lab.agent.eventsOf(further.id).includes("ended") && lab.agent.eventsOf(made.ticket).includes("ended"),
  );
});

test("a ticket that reaches no further is not spent", async () => {
  await using lab = await nodeLab();
  await leased(lab);
  const same = await lab.ticket();
  const unchanged = await lab.alice.renewlease({ slice, ticketdata: same.text });
  assert.equal(lab.lease(unchanged).term.end, NOW + DAY);
  const shorter = await lab.ticket({
    term: { start: NOW, end: NOW + DAY + HOUR },
    renewableUntil: NOW + DAY + HOUR,
  });
  const extended = lab.lease(await lab.alice.renewlease({ slice, ticketdata: shorter.text }));
  assert.deepEqual([extended.term.end, extended.renewableUntil], [NOW + DAY + HOUR, NOW + 2 * DAY]);
  await lab.alice.deletelease({ slice });
  assert.ok(await lab.alice.newlease({ ticketdata: same.text }));
});

test("a ticket for anything else, or anybody else, does not renew", async () => {
  await using lab = await nodeLab();
  await leased(lab);
  const beyond = { term: { start: NOW, end: NOW + 3 * DAY }, renewableUntil: NOW + 4 * DAY };
  const { resources } = (await lab.ticket()).ticket;
  const different: [SliceTicketOverrides, RegExp][] = [
    [{ slice: "other" }, /the ticket's slice/],
    [{ ports: [{ protocol: "tcp", from: 8080, to: 8080 }] }, /the ticket's ports/],
    [{ engine: "container" }, /the ticket's engine/],
    [{ image: "busybox" }, /the ticket's image/],
    [{ resources: { ...resources, memoryMib: resources.memoryMib - 1 } }, /the ticket's resources/],
    [{ resources: { ...resources, memoryMib: resources.memoryMib + 1 } }, /the ticket's resources/],
    [{ ceilings: { cpuMillis: 1 } }, /the ticket's ceilings/],
  ];
  for (const [overrides, sentence] of different) {
    const ticketdata = (await lab.ticket({ ...beyond, ...overrides })).text;
    await assertRefused(lab, () => lab.alice.renewlease({ slice, ticketdata }), "BAD_CHAIN", sentence);
  }
  const bobs = (await lab.ticket({ ...beyond, to: KEYS.bob })).text;
  await assertRefused(lab, () => lab.alice.renewlease({ slice, ticketdata: bobs }), "NOT_PRINCIPAL");
  const gap = await lab.ticket({ ...beyond, term: { start: NOW + DAY + 1, end: NOW + 3 * DAY } });
  await assertRefused(
    lab,
    () => lab.alice.renewlease({ slice, ticketdata: gap.text }),
    "NOT_YET_VALID",
    /after the lease's end/,
  );
  const holding = (await lab.root()).text;
  await assertRefused(lab, () => lab.alice.renewlease({ slice, ticketdata: holding }), "WRONG_TYPE");
  const stale = await lab.ticket({
    ...beyond,
    validity: { start: NOW - 300, end: NOW - 299 },
    term: { start: NOW - 300, end: NOW + 3 * DAY },
  });
  lab.clock.advance(1);
  await assertRefused(lab, () => lab.alice.renewlease({ slice, ticketdata: stale.text }), "EXPIRED");
  const seamless = await lab.ticket({ ...beyond, term: { start: NOW + DAY, end: NOW + 3 * DAY } });
  assert.equal(
    lab.lease(await lab.alice.renewlease({ slice, ticketdata: seamless.text })).term.end,
    NOW + 3 * DAY,
  );
});

test("the time a lease may be renewed for is kept for it: nobody else gets it", async () => {
  await using lab = await nodeLab();
  const all = { ...CAPACITY, memoryMib: CAPACITY.memoryMib };
  const { slivers: _, ...whole } = all;
  await leased(lab, { resources: whole });
  lab.clock.advance(HOUR);
  const other = await lab.ticket({
    slice: "other",
    resources: { ...whole, memoryMib: 1, diskMib: 0, cpuMillis: 0, egressKbps: 0 },
  });
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: other.text }),
    "NO_CAPACITY",
    /this node's capacity has 0 MiB of memory/,
  );
  assert.equal(lab.lease(await lab.alice.renewlease({ slice })).term.end, NOW + 2 * DAY);
});

test("a lease that fills its holding is renewed by a ticket under the same holding: it counts once", async () => {
  await using lab = await nodeLab();
  const holding = await lab.holding();
  const { slivers: _, ...whole } = holding.ticket.resources;
  const first = await lab.ticket({ resources: whole }, holding);
  await lab.alice.newlease({ ticketdata: first.text });
  lab.clock.advance(HOUR);
  const further = await lab.ticket({ resources: whole }, holding);
  assert.equal(
    lab.lease(await lab.alice.renewlease({ slice, ticketdata: further.text })).term.end,
    NOW + HOUR + DAY,
  );
  const other = await lab.ticket({ slice: "other", resources: { ...whole, cpuMillis: 1 } }, holding);
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: other.text }),
    "NO_CAPACITY",
    /the holding/,
  );
});

test("a renewal by a ticket is refused where the time it adds was promised to others", async () => {
  await using lab = await nodeLab();
  const { slivers: _, ...whole } = CAPACITY;
  const half = { ...whole, memoryMib: CAPACITY.memoryMib / 2 };
  const small = { cpuMillis: 0, diskMib: 0, egressKbps: 0, memoryMib: CAPACITY.memoryMib / 2 + 1 };
  await lab.alice.newlease({
    ticketdata: (
      await lab.ticket({
        resources: { ...small, memoryMib: half.memoryMib },
        term: { start: NOW, end: NOW + HOUR },
        renewableUntil: NOW + HOUR,
      })
    ).text,
  });
  const holding = await lab.holding();
  const other = await lab.ticket({ slice: "other", resources: { ...small, memoryMib: 10 } }, holding);
  await lab.alice.newlease({ ticketdata: other.text });
  const tight = await lab.holding({ resources: { ...CAPACITY, memoryMib: half.memoryMib } });
  const further = await lab.ticket({ resources: { ...small, memoryMib: half.memoryMib } }, tight);
  assert.ok(await lab.alice.renewlease({ slice, ticketdata: further.text }));
  const again = await lab.ticket({ slice: "third", resources: { ...small, memoryMib: 1 } }, tight);
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: again.text }),
    "NO_CAPACITY",
    /the holding/,
  );
});
