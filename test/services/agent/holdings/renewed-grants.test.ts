import assert from "node:assert/strict";
import { test } from "node:test";
import { Granting } from "#services/agent/holdings/granting.ts";
import { openTicketKeys } from "#services/agent/signing/ticket-keys.ts";
import { type Grant, grantsBeginning } from "#services/agent/store/holdings/grants.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { Share } from "#shared/model/resources.ts";
import { DAY, KEYS, NOW, seal, serial } from "../../../support/documents.ts";
import { type AgentLab, agentLab, checkSums, type LabNode, refusal } from "../agent-lab.ts";

/** What renewing a grant cannot be made to hide: the node knows only holdings it has seen, the giver has to know all. */

const HELD: Share = { cpuMillis: 4000, memoryMib: 4000, diskMib: 40_000, egressKbps: 4000, slivers: 10 };
const BOB = { ticketKey: KEYS.branch.public, identity: KEYS.bob.public.name };
const CAROL = { ticketKey: KEYS.agent.public, identity: KEYS.alice.public.name };

async function grantingOf({ database, clock, config }: AgentLab): Promise<Granting> {
  const keys = await openTicketKeys(config.ticket_key);
  return new Granting({ database, keys, clock, overbooking: config.overbooking });
}

const wish = ({ name }: LabNode, memoryMib: number, more: { to?: typeof BOB; replaces?: Grant } = {}) => ({
  ...{ node: name, to: BOB, ports: [], mayHandOn: true, ...more },
  share: () => ({ cpuMillis: 0, memoryMib, diskMib: 1000, egressKbps: 0, slivers: 5 }),
});

const grantOf = async ({ database }: AgentLab, id: string) => (await grantsBeginning(database, id))[0]!;

const ticket = (lab: AgentLab, slice: string, { ip }: LabNode, memory_mib: number) => {
  const resources = { cpu_millis: 0, memory_mib, disk_mib: 100, egress_kbps: 0 };
  return lab.alice.client.newtickets({ slice, ntickets: 1, leaselen: DAY, ips: [ip], resources });
};

test("a grant is renewed for the ticket key that has it, and for no other", async () => {
  await using lab = await agentLab({ deposited: false });
  const granting = await grantingOf(lab);
  const [node] = lab.nodes;
  await node.deposit(node.root({ resources: HELD }));
  const { id } = await granting.grant(wish(node, 3000));
  const replaces = await grantOf(lab, id);
  await assert.rejects(granting.grant(wish(node, 3000, { to: CAROL, replaces })), OperatorError);
  const other = { ...BOB, identity: CAROL.identity };
  await granting.grant(wish(node, 3000, { to: other, replaces }));
  await assert.rejects(ticket(lab, "more", node, 1001), refusal("NO_CAPACITY"));
  await checkSums(lab);
});

test("a grant is renewed from what it was split from, never from an account beside it", async () => {
  await using lab = await agentLab({ deposited: false });
  const granting = await grantingOf(lab);
  const [node, elsewhere] = lab.nodes;
  const first = await node.deposit(node.root({ resources: HELD, serial: serial(1) }));
  const { id } = await granting.grant(wish(node, 3000));
  const replaces = await grantOf(lab, id);
  // A second share, from somebody else who holds a part of the node, that lasts longer and therefore would be preferred.
  const term = { start: first.ticket.term.start, end: first.ticket.term.end + DAY };
  const longer = { resources: HELD, serial: serial(2), term, validity: term };
  const { name, sha1, spki } = KEYS.branch.public;
  const above = node.root({ ...longer, principal: name, principleSha1: sha1, principalKey: spki });
  const below = { ...node.root(longer).ticket, serial: serial(3), parent: above.id, issuer: name, splits: 2 };
  const { text } = seal(below, KEYS.branch, above.lineage);
  await lab.bob.client.deposittickets({ tickets: [text] });
  await elsewhere.deposit();
  const accounts = await lab.database.rows("select id from accounts where node = $1", [node.name]);
  assert.equal(accounts.length, 2);

  const { ticket: renewed } = await granting.grant(wish(node, 3500, { replaces }));
  assert.equal(renewed.parent, first.id);
  const charged = await lab.database.rows(
    `select c.memory_mib, h.id from grant_charges c join holdings h on h.account = c.account
     where c.counted_from <= to_timestamp($1) and to_timestamp($1) < c.counted_to`,
    [NOW],
  );
  assert.deepEqual(charged, [{ memory_mib: 3500, id: first.id }]);
  await assert.rejects(granting.grant(wish(elsewhere, 100, { replaces })), OperatorError);
  await checkSums(lab);
});
