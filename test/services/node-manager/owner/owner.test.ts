import assert from "node:assert/strict";
import { test } from "node:test";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { openRevocations } from "#shared/wire/revocation-document.ts";
import { eventually } from "#test/support/deadline.ts";
import { DAY, KEYS } from "#test/support/documents.ts";
import { nodeLab } from "../lab/node-lab.ts";
import { does, owner } from "../lab/owner.ts";
import { assertRefused } from "../lab/refusal.ts";
import { auditOf } from "../lab/store-dump.ts";

async function leased() {
  const lab = await nodeLab();
  const ticket = await lab.ticket();
  const publickey = newSshKeyPair().publicKey;
  const lease = lab.lease(await lab.alice.newleasevm({ ticketdata: ticket.text, publickey }));
  return { lab, ticket, lease, slice: lease.slice, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
}

test("a suspended sliver is stopped and kept over restarts, charged, shown everywhere, and runs again when resumed", async () => {
  await using at = await leased();
  const { lab, slice, lease } = at;
  const stopped = [{ id: lease.sliver, state: "stopped" }];
  await does(lab, "suspend", slice, "--reason", "it scans our neighbours");
  assert.deepEqual(await lab.backend.list(), stopped);
  await does(lab, "suspend", slice);

  await lab.node.reconciler.pass();
  await lab.restart();
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.backend.list(), stopped, "no pass and no restart starts it");
  const status = await lab.alice.getstatus({ slice });
  assert.equal(status.state, "suspended");
  assert.match(status.conditions[0]!.reason, /suspended by the node's owner: it scans our neighbours/);
  const page = await (await fetch(lab.node.webUrl)).text();
  assert.match(page, /suspended by the node&#39;s owner: it scans/);
  assert.match(await does(lab, "leases"), /suspended .*owner since .* it scans our neighbours/);

  const renewed = lab.lease(await lab.alice.renewlease({ slice }));
  assert.ok(renewed.term.end > lease.term.end, "it is charged and goes on");
  await does(lab, "resume", slice);
  await eventually(async () => (await lab.backend.list())[0]?.state === "running");
  assert.equal((await lab.alice.getstatus({ slice })).state, "running");
  const acts = auditOf(lab.state).filter(({ peer }) => peer === "owner");
  assert.deepEqual(
    acts.map(({ action }) => action),
    ["lease suspended", "lease resumed"],
    "what was said twice is done once",
  );
});

test("the owner's word holds without a node manager: what is suspended and killed meanwhile is so when it serves again", async () => {
  await using at = await leased();
  const { lab, slice, lease, ticket } = at;
  await lab.stop();
  await does(lab, "suspend", slice);
  assert.match(await does(lab, "leases", "-o", "json"), /"state": "suspended"/);
  await lab.start();
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.backend.list(), [{ id: lease.sliver, state: "stopped" }]);

  await lab.stop();
  await does(lab, "kill", slice);
  await lab.start();
  await eventually(() => lab.agent.eventsOf(ticket.id).includes("ended"), { what: "its agent being told" });
  await lab.node.reconciler.pass();
  assert.deepEqual(await lab.alice.getleases(), []);
});

test("a killed lease is over at once, its agent is told, and its ticket is spent for good", async () => {
  await using at = await leased();
  const { lab, slice, ticket, lease } = at;
  assert.deepEqual(await lab.alice.getrevocations({}), []);
  assert.match(await does(lab, "kill", slice, "--reason", "spam"), /sliver is gone/);
  assert.deepEqual(await lab.backend.list(), []);
  await eventually(() => lab.agent.eventsOf(ticket.id).includes("ended"), { what: "its agent being told" });
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "ALREADY_REDEEMED");
  const { code, err } = await owner(lab, "kill", slice);
  assert.equal(code, 1);
  assert.match(err, /NO_SLICE: the slice .* does not exist on this node/);

  const [text, ...more] = await lab.alice.getrevocations({});
  const read = (list: string) => openRevocations(list, KEYS.node.public, "node");
  const { id, list } = read(text!);
  assert.deepEqual([more, list.revoked.map((one) => [one.kind, one.id])], [[], [["lease", lease.serial]]]);
  assert.deepEqual(await lab.alice.getrevocations({ since: [id] }), []);
  const told = { list: text!, leases: [{ lease: lease.serial, ticket: ticket.id }] };
  assert.deepEqual(lab.agent.endings, [told], "why, besides what");

  await lab.restart();
  assert.deepEqual(await lab.alice.getrevocations({}), [text], "also by a node manager that starts again");
  lab.clock.advance(4 * DAY);
  const { list: next } = read((await lab.bob.getrevocations({ since: [id] }))[0]!);
  assert.deepEqual([next.revoked, next.nextUpdate], [[], lab.clock.now() + 7 * DAY], "it would be over now");
  assert.ok(
    next.number > list.number && lab.clock.now() < list.nextUpdate!,
    "signed again before that is due",
  );
});

test("what its principal ended is no word of the owner's", async () => {
  await using at = await leased();
  await at.lab.alice.deletelease({ slice: at.slice });
  assert.deepEqual(await at.lab.alice.getrevocations({}), []);
});

test("who is banned redeems and renews nothing, by slice or by key, over restarts, until that is taken back", async () => {
  await using at = await leased();
  const { lab, slice } = at;
  const alice = KEYS.alice.public.name;
  await does(lab, "ban", slice, "--reason", "mining");
  await lab.restart();
  const banned = /SUSPENDED: this node's owner has banned the slice .* UTC \(mining\); use other nodes/;
  await assertRefused(lab, () => lab.alice.renewlease({ slice }), "SUSPENDED", banned);
  const further = (await lab.ticket({ renewableUntil: lab.clock.now() + 5 * 86_400 })).text;
  await assertRefused(lab, () => lab.alice.renewlease({ slice, ticketdata: further }), "SUSPENDED");
  assert.equal((await lab.alice.getstatus({ slice })).state, "running", "what it has goes on");
  await does(lab, "kill", slice);
  const again = await lab.ticket();
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: again.text }), "SUSPENDED", banned);
  await does(lab, "unban", slice);

  await does(lab, "ban", alice);
  const other = await lab.ticket({ slice: "another_name" });
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: other.text }),
    "SUSPENDED",
    /the principal/,
  );
  assert.match(await does(lab, "bans"), new RegExp(`principal +${alice}`));
  await does(lab, "unban", alice);
  await lab.alice.newlease({ ticketdata: other.text });
  assert.match(await does(lab, "ban", alice, "--kill"), /the lease of another_name is ended/);
  assert.deepEqual(await lab.backend.list(), []);

  for (const [argv, told] of [
    [["ban", "Not a name"], /BAD_NAME/],
    [["unban", "someone"], /NO_SLICE: someone is not banned/],
    [["ban", slice, "--reason", "two\nlines"], /MALFORMED: .*one line of printable/],
    [["suspend", "nothing_here"], /NO_SLICE/],
  ] as const) {
    const { code, err } = await owner(lab, ...argv);
    assert.equal(code, 1);
    assert.match(err, told);
  }
});
