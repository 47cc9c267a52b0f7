import assert from "node:assert/strict";
import { Fault } from "#shared/model/errors.ts";
import type { SliceTicket } from "#shared/model/ticket.ts";
import { openLease } from "#shared/wire/lease-document.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { eventually } from "#test/support/deadline.ts";
import { DAY, HOUR, KEYS, type Sealed, sealedSliceTicket, serial } from "#test/support/documents.ts";
import { machinesIn } from "./directory-backend.ts";
import { type NodeClient, sshKey } from "./node-lab.ts";
import type { NodeProcess, NodeSite } from "./node-process.ts";

/** What a client was told before its node manager was killed. Undefined: no answer came. */
type Told = { lease?: string; added?: 1; renewed?: string; deleted?: 1 };

const slice = "princeton_dns";

/**
 * Redeems, adds a key, renews and deletes at a node manager that is killed at the given step, then lets a client come
 * back to the next one, and checks that everything promised is so, that machines and leases agree, and that the whole
 * can be finished by asking again. Gives whether the step was reached.
 */
export async function surviveKillAt(site: NodeSite, step: string): Promise<boolean> {
  const key = sshKey();
  const first = await site.start(step);
  const fresh = freshTicket(site);
  const ticket = await Promise.race([fresh, first?.ended.then(() => undefined)]);
  const told = first && ticket ? await live(first.alice, ticket, key) : {};
  const reached = told.deleted === undefined;
  first?.kill("SIGKILL");
  await first?.ended;

  const second = await site.start();
  assert.ok(second, "a node manager starts on what a killed one left");
  await assertAgreement(site, second);
  const same = await fresh;
  await assertKept(second.alice, told, same, key);
  await finish(site, second.alice, same, key, told);
  await second[Symbol.asyncDispose]();
  return reached;
}

async function freshTicket({ agent }: NodeSite): Promise<Sealed<SliceTicket>> {
  const now = Math.floor(Date.now() / 1000);
  return sealedSliceTicket(await agent.root(), {
    ...{ serial: serial(1), validity: { start: now, end: now + HOUR }, term: { start: now, end: now + DAY } },
    renewableUntil: now + 2 * DAY,
  });
}

/** Everything a slice goes through, as far as the node manager lives. */
async function live(alice: NodeClient, ticket: Sealed, key: string): Promise<Told> {
  const told: Told = {};
  try {
    told.lease = await alice.newleasevm({ ticketdata: ticket.text, publickey: sshKey() });
    told.added = await alice.addkey({ slice, key, request_id: "add" });
    told.renewed = await alice.renewlease({ slice, request_id: "renew" });
    told.deleted = await alice.deletelease({ slice, request_id: "delete" });
  } catch (error) {
    assert.ok(error instanceof TransportError, `a killed node manager answers nothing: ${error}`);
  }
  return told;
}

/** Machines and leases are a bijection, soon. */
async function assertAgreement(site: NodeSite, { alice }: NodeProcess): Promise<void> {
  await eventually(async () => {
    const leased = (await alice.getleases()).map((text) => openLease(text, KEYS.node.public).sliver);
    assert.deepEqual(
      machinesIn(site.machines),
      leased.sort().map((id) => ({ id, state: "running" })),
    );
    return true;
  });
}

/** What a client was told is so. What it was not told of may have happened or not. */
async function assertKept(alice: NodeClient, told: Told, ticket: Sealed, key: string): Promise<void> {
  const [lease] = await alice.getleases();
  if (told.deleted) {
    assert.equal(lease, undefined);
    await assert.rejects(alice.newlease({ ticketdata: ticket.text }), /ALREADY_REDEEMED/);
    return;
  }
  if (told.renewed) assert.ok(lease === told.renewed || lease === undefined);
  else if (told.added) assert.ok(lease !== undefined);
  else if (told.lease && lease) assert.equal(lease, told.lease);
  if (lease && told.added) assert.ok((await alice.getsshkeys({ slice })).keys?.includes(key));
  if (told.lease && !told.renewed) assert.ok(lease, "a lease that may have reached its client exists");
}

/** Asking again for all of it, under the same request ids, ends where it would have ended. */
async function finish(
  site: NodeSite,
  alice: NodeClient,
  ticket: Sealed,
  key: string,
  told: Told,
): Promise<void> {
  try {
    const lease = await alice.newleasevm({ ticketdata: ticket.text, publickey: sshKey() });
    const { serial: now } = openLease(lease, KEYS.node.public);
    if (told.lease)
      assert.equal(openLease(told.lease, KEYS.node.public).serial, now, "one ticket, one lease");
    assert.equal(await alice.addkey({ slice, key, request_id: "add" }), 1);
    const renewed = await alice.renewlease({ slice, request_id: "renew" });
    assert.equal(renewed, told.renewed ?? renewed);
  } catch (error) {
    // Only where the deletion had been decided before the kill.
    assert.ok(told.renewed && error instanceof Fault && error.name === "ALREADY_REDEEMED", `${error}`);
  }
  assert.equal(await alice.deletelease({ slice, request_id: "delete" }), 1);
  assert.deepEqual(await alice.getleases(), []);
  assert.deepEqual(machinesIn(site.machines), []);
  await assert.rejects(alice.newlease({ ticketdata: ticket.text }), /ALREADY_REDEEMED/);
  await eventually(() => site.agent.eventsOf(ticket.id).at(-1) === "ended", { what: "the agent being told" });
}
