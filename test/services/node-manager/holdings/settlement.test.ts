import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Fault } from "#shared/model/errors.ts";
import { eventually } from "#test/support/deadline.ts";
import { listeningAgent } from "../lab/agent.ts";
import { CAPACITY, nodeLab } from "../lab/node-lab.ts";
import { toldEverything } from "../lab/refusal.ts";

const slice = "princeton_dns";

test("what an agent could not be told while it was away, it is told when it is back", async () => {
  await using lab = await nodeLab();
  const [kept, deleted] = [await lab.ticket({ slice: "kept" }), await lab.ticket()];
  await lab.root();
  await lab.agent.goAway();
  await lab.alice.newlease({ ticketdata: kept.text });
  await lab.alice.newlease({ ticketdata: deleted.text });
  await lab.alice.deletelease({ slice });
  await lab.restart();
  await lab.agent.listen();
  await lab.restart(); // instead of waiting half a minute
  await toldEverything(lab);
  assert.deepEqual(lab.agent.eventsOf(kept.id), ["redeemed"]);
  assert.deepEqual(lab.agent.eventsOf(deleted.id), ["ended"], "of what happened meanwhile the last counts");
});

test("an answer that was lost makes the node say it again, and nothing is left out", async () => {
  await using lab = await nodeLab();
  const ticket = await lab.ticket();
  await lab.root();
  lab.agent.forget = new Fault("STORE_DOWN", "try again");
  await lab.alice.newlease({ ticketdata: ticket.text });
  await eventually(() => lab.agent.eventsOf(ticket.id).length > 0);
  assert.match(lab.dump(), new RegExp(`outbox: .*${ticket.id}`));
  lab.agent.forget = undefined;
  await lab.alice.deletelease({ slice });
  await toldEverything(lab);
  assert.deepEqual(new Set(lab.agent.eventsOf(ticket.id)), new Set(["redeemed", "ended"]));
  assert.equal(lab.agent.eventsOf(ticket.id).at(-1), "ended");
});

test("a thousand messages and more arrive, each at its agent", async () => {
  await using lab = await nodeLab();
  await lab.root();
  await lab.agent.goAway();
  const tickets = await Promise.all(Array.from({ length: 1100 }, () => lab.ticket()));
  for (let i = 0; i < tickets.length; i += 50) {
    await lab.alice.canceltickets({ tickets: tickets.slice(i, i + 50).map(({ text }) => text) });
  }
  await lab.agent.listen();
  await lab.restart();
  await toldEverything(lab);
  assert.deepEqual(new Set(tickets.map(({ id }) => lab.agent.eventsOf(id).join())), new Set(["cancelled"]));
  assert.ok(lab.agent.settled.every((call) => Object.values(call).flat().length <= 1000));
});

test("one agent that is away keeps no other waiting, and gets only what is its own", async () => {
  await using lab = await nodeLab();
  const identity = await lab.authority.server("another agent");
  await using other = await listeningAgent(identity);
  lab.agents.push({ identity: other.identity, url: other.url, share: CAPACITY });
  await lab.root();
  await lab.restart();
  const theirs = await lab.ticket({ slice: "theirs" }, await other.root());
  const ours = await lab.ticket({ slice: "ours" });
  await lab.agent.goAway();
  await lab.alice.newlease({ ticketdata: ours.text });
  await lab.alice.newlease({ ticketdata: theirs.text });
  await eventually(() => other.eventsOf(theirs.id).includes("redeemed"));
  assert.deepEqual(other.eventsOf(ours.id), []);
});

test("an agent with another key at the same address is told nothing", async () => {
  await using lab = await nodeLab();
  const identity = await lab.authority.server("an impostor");
  await using impostor = await listeningAgent(identity);
  lab.agents[0]!.url = impostor.url;
  await lab.root();
  await lab.restart();
  await eventually(() => lab.logged.some((line) => line.includes("the agent can't be told")));
  assert.deepEqual([impostor.roots, impostor.settled], [[], []]);
});

test("a node is heard every thirty seconds, with or without news", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    await using lab = await nodeLab();
    await eventually(() => lab.agent.settled.length === 1);
    mock.timers.tick(30_000);
    await eventually(() => lab.agent.settled.length === 2);
    assert.deepEqual(lab.agent.settled, [{}, {}]);
    assert.equal(lab.agent.roots.length, 1, "the root is given once");
  } finally {
    mock.timers.reset();
  }
});
