import assert from "node:assert/strict";
import { test } from "node:test";
import type { Holding } from "#shared/model/ticket.ts";
import { openHolding } from "#shared/wire/chain.ts";
import { eventually } from "#test/support/deadline.ts";
import { DAY, KEYS, NOW, type Sealed } from "#test/support/documents.ts";
import { CAPACITY, type NodeLab, nodeLab } from "../lab/node-lab.ts";
import { assertRefused } from "../lab/refusal.ts";

async function rootAfter(lab: NodeLab, before: Sealed<Holding>): Promise<Sealed<Holding>> {
  return await eventually(async () => {
    const latest = await lab.root();
    return latest.id !== before.id && latest;
  });
}

test("each agent is given a root ticket for its ticket key: 400 days, and what the owner lets it have", async () => {
  await using lab = await nodeLab();
  const { text, ticket } = await lab.root();
  assert.deepEqual(openHolding(text, { nodeKey: KEYS.node.public }, NOW).leaf.ticket, ticket);
  assert.equal(ticket.principal, KEYS.agent.public.name);
  assert.equal(ticket.splits, 3);
  assert.deepEqual(ticket.resources, CAPACITY);
  assert.deepEqual(ticket.ports, [{ protocol: "tcp", from: 1024, to: 65_535 }]);
  assert.equal(ticket.term.end - ticket.term.start, 400 * DAY);
  assert.ok(
    ticket.term.start <= NOW - 10 && ticket.replaces === undefined && ticket.administrative === undefined,
  );
  const [facts] = lab.agent.facts as [Record<string, unknown>];
  assert.deepEqual(facts.engines, ["simulated"]);
  assert.deepEqual([facts.sslport, facts.sshport], [Number(new URL(lab.node.url).port), lab.node.sshPort]);
});

test("a restarted node gives the same root again, until half of its term has passed", async () => {
  await using lab = await nodeLab();
  const first = await lab.root();
  await lab.restart();
  await eventually(() => lab.agent.roots.length === 2);
  assert.equal((await lab.root()).text, first.text);
  lab.clock.advance(199 * DAY);
  await lab.restart();
  await eventually(() => lab.agent.roots.length === 3);
  assert.equal((await lab.root()).text, first.text);
  lab.clock.advance(DAY);
  await lab.restart();
  const second = await rootAfter(lab, first);
  assert.equal(second.ticket.replaces, first.id);
  assert.equal(second.ticket.term.end, NOW + 200 * DAY - 300 + 400 * DAY);
});

test("an agent with a new ticket key is given a root for it, which is no second share", async () => {
  await using lab = await nodeLab({ config: { capacity: { ...CAPACITY, cpuMillis: 1_000_000 } } });
  const first = await lab.root();
  const whole = { cpuMillis: CAPACITY.cpuMillis, memoryMib: 1, diskMib: 1, egressKbps: 0 };
  await lab.alice.newlease({ ticketdata: (await lab.ticket({ resources: whole })).text });
  lab.agent.ticketKey = KEYS.branch.public.spki.toString("base64");
  await lab.restart();
  const second = await rootAfter(lab, first);
  assert.equal(second.ticket.principal, KEYS.branch.public.name);
  assert.equal(second.ticket.replaces, undefined, "it is another principal's");
  const more = await lab.ticket({ slice: "more", resources: { ...whole, cpuMillis: 1 } }, second);
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: more.text }), "NO_CAPACITY", /the holding/);
});

test("what the owner changes goes into a new root in place of the old one", async () => {
  await using lab = await nodeLab();
  const first = await lab.root();
  const share = { ...CAPACITY, memoryMib: 1024 };
  lab.agents[0]!.share = share;
  await lab.restart();
  const second = await rootAfter(lab, first);
  assert.deepEqual(second.ticket.resources, share);
  assert.equal(second.ticket.replaces, first.id);
});
