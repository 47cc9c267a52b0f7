import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "#test/support/deadline.ts";
import { DAY, KEYS } from "#test/support/documents.ts";
import { SecureReader } from "#test/support/secure-web.ts";
import { type NodeLab, nodeLab, sshKey } from "../lab/node-lab.ts";
import { assertRefused } from "../lab/refusal.ts";
import { auditOf } from "../lab/store-dump.ts";

const [ALICE, BOB] = [KEYS.alice.public.name, KEYS.bob.public.name];
/** A ticket that only says who is a member: next to nothing, for an hour. */
const NEXT_TO_NOTHING = { cpuMillis: 0, memoryMib: 1, diskMib: 1, egressKbps: 0 };

async function leased(lab: NodeLab) {
  const ticket = await lab.ticket();
  const lease = lab.lease(await lab.alice.newlease({ ticketdata: ticket.text }));
  return { ticket, lease, slice: lease.slice };
}

/** A ticket that names bob, as the agent gives it to a member. */
async function bobsTicket(lab: NodeLab, overrides = {}) {
  const term = { start: lab.clock.now(), end: lab.clock.now() + 3600 };
  const little = { resources: NEXT_TO_NOTHING, term, renewableUntil: term.end };
  return await lab.ticket({ to: KEYS.bob, ...little, ...overrides });
}

/** Whether the node's page of what is one's own has the lease of a slice. */
async function seesItself(lab: NodeLab, who: "alice" | "bob"): Promise<boolean> {
  using reader = new SecureReader(lab.credentials[who]);
  const { status, text } = await reader.read(new URL("/me", lab.node.secureWebUrl));
  assert.equal(status, 200);
  return text.includes("What this node signed for");
}

/** The agent says it, and the node has heard. */
async function hears(lab: NodeLab, slice: string, principal: string, member: boolean) {
  const number = (lab.agent.memberChanges.at(-1)?.number ?? 0) + 1;
  lab.agent.memberChanges.push({ number, slice, principal, member });
  await lab.restart();
  await eventually(() => lab.dump().includes(`"number":${number}}]`), { what: "the node having heard" });
}

test("a ticket of the lease's agent that names another member lets them in, also on a full node; then both do all of it", async () => {
  await using lab = await nodeLab();
  const { slice, lease } = await leased(lab);
  await assertRefused(lab, () => lab.bob.getstatus({ slice }), "NOT_PRINCIPAL", /slice adopt/);
  await assertRefused(lab, () => lab.bob.renewlease({ slice }), "NOT_PRINCIPAL");
  const { text, id } = await bobsTicket(lab);
  const joined = lab.lease(await lab.bob.renewlease({ slice, ticketdata: text }));
  assert.equal(joined.serial, lease.serial);
  assert.equal(joined.principal, ALICE, "whose the lease is does not change");
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: text }), "NOT_PRINCIPAL");

  assert.deepEqual((await lab.bob.getstatus({ slice })).members?.toSorted(), [ALICE, BOB].toSorted());
  assert.equal(await seesItself(lab, "bob"), true);
  await lab.bob.addkey({ slice, key: sshKey() });
  await lab.alice.addkey({ slice, key: sshKey() });
  assert.ok(lab.lease(await lab.bob.renewlease({ slice })).term.end > joined.term.end);
  const further = { renewableUntil: lab.clock.now() + 5 * DAY, resources: lease.resources };
  const term = { start: lab.clock.now(), end: lab.clock.now() + 4 * DAY };
  const long = await bobsTicket(lab, { ...further, term });
  const extended = lab.lease(await lab.bob.renewlease({ slice, ticketdata: long.text }));
  assert.equal(extended.term.end, term.end, "a member's ticket extends it as the owner's does");
  await eventually(() => lab.agent.eventsOf(long.id).includes("redeemed"));
  assert.deepEqual(lab.agent.eventsOf(id), [], "the one that only said who is a member is not spent");
  await lab.restart();
  await lab.bob.deletelease({ slice });
  assert.deepEqual(await lab.alice.getleases(), []);
});

test("nobody becomes a member by a ticket of anybody else's, or by one that names somebody else", async () => {
  await using lab = await nodeLab();
  const { slice } = await leased(lab);
  const mallory = lab.clientOf(await lab.authority.client("mallory"));
  const named = await bobsTicket(lab);
  const join = (client: typeof lab.bob, ticketdata: string) => () => client.renewlease({ slice, ticketdata });
  await assertRefused(lab, join(mallory, named.text), "NOT_PRINCIPAL", /only that key can use it/);
  await assertRefused(
    lab,
    join(lab.bob, (await bobsTicket(lab, { slice: "other" })).text),
    "BAD_CHAIN",
    /slice/,
  );
  // Whoever holds a part of the agent's holding can issue tickets that name themselves, for slices of any name.
  const part = await lab.holding({ to: KEYS.bob });
  const own = await lab.ticket({ to: KEYS.bob, resources: NEXT_TO_NOTHING }, part);
  await assertRefused(lab, join(lab.bob, own.text), "BAD_CHAIN", /not from whom the lease/);
  await assertRefused(lab, () => lab.bob.getstatus({ slice }), "NOT_PRINCIPAL");

  // Nor the agent above for the slices of whoever holds a part: it never said whose they are.
  const theirs = await lab.ticket({ slice: "beneath" }, await lab.holding());
  await lab.alice.newlease({ ticketdata: theirs.text });
  const above = await bobsTicket(lab, { slice: "beneath" });
  const joining = () => lab.bob.renewlease({ slice: "beneath", ticketdata: above.text });
  await assertRefused(lab, joining, "BAD_CHAIN", /not from whom the lease/);
});

test("who is put out is out at once, with the keys they let in, and no ticket of theirs leads back", async () => {
  await using lab = await nodeLab();
  const { slice, ticket } = await leased(lab);
  const [hers, his] = [sshKey(), sshKey()];
  await lab.alice.addkey({ slice, key: hers });
  await lab.bob.renewlease({ slice, ticketdata: (await bobsTicket(lab)).text });
  await lab.bob.addkey({ slice, key: his });
  const kept = await bobsTicket(lab);
  const extending = await bobsTicket(lab, { renewableUntil: lab.clock.now() + 9 * DAY });

  await hears(lab, slice, BOB, false);
  const out = /NOT_PRINCIPAL/;
  for (const call of [
    () => lab.bob.getstatus({ slice }),
    () => lab.bob.addkey({ slice, key: his }),
    () => lab.bob.renewlease({ slice }),
    () => lab.bob.deletelease({ slice }),
    () => lab.bob.renewlease({ slice, ticketdata: kept.text }),
    () => lab.bob.renewlease({ slice, ticketdata: extending.text }),
    () => lab.bob.newleasevm({ ticketdata: kept.text, publickey: his }),
  ])
    await assertRefused(lab, call, "NOT_PRINCIPAL", out);
  const { keys } = await lab.alice.getsshkeys({ slice });
  assert.deepEqual(keys, [hers.split(" ").slice(0, 2).join(" ")]);

  await hears(lab, slice, BOB, true);
  await assertRefused(lab, () => lab.bob.getstatus({ slice }), "NOT_PRINCIPAL");
  await lab.bob.renewlease({ slice, ticketdata: kept.text });
  await lab.bob.getstatus({ slice });

  await hears(lab, slice, ALICE, false);
  const thief = () => lab.alice.newleasevm({ ticketdata: ticket.text, publickey: sshKey() });
  await assertRefused(lab, thief, "NOT_PRINCIPAL", out);
  assert.equal(await seesItself(lab, "alice"), false);
  await assertRefused(lab, () => lab.alice.deletelease({ slice }), "NOT_PRINCIPAL", out);
  assert.equal((await lab.bob.getsshkeys({ slice })).numkeys, 0);
  await lab.bob.renewlease({ slice });
  await lab.bob.deletelease({ slice });
  const again = await lab.ticket();
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: again.text }), "NOT_PRINCIPAL", /member/);
  const acts = auditOf(lab.state).map(({ action }) => action);
  assert.deepEqual(
    acts.filter((act) => act.startsWith("member")),
    [...["member joined", "member put out", "member joined", "member put out"]],
  );
});
