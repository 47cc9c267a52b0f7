import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually } from "../../support/deadline.ts";
import { agentLab, refusal } from "../agent/agent-lab.ts";
import { type BrokerClient, type BrokerLab, brokerLab } from "./broker-lab.ts";
import { type OddAgent, oddAgent } from "./odd-agent.ts";

describe("a broker whose callers try many descriptions at once", () => {
  const owned = new AsyncDisposableStack();
  /** Ends each question that the agent is thinking about, in the order they came in. */
  let thinking: (() => void)[] = [];
  let most = 0;
  let slow: OddAgent;
  let lab: BrokerLab;
  before(async () => {
    const agents = await agentLab({ nodes: 2, deposited: false });
    const { authority } = agents;
    await agents[Symbol.asyncDispose]();
    slow = owned.use(await oddAgent(await authority.server("slow"), { ads: thought }));
    const others = [{ identity: slow.identity, url: slow.url }];
    lab = owned.use(await brokerLab({ agent: { nodes: 2 }, config: { agent_seconds: 60 }, others }));
  });
  after(() => owned.disposeAsync());

  async function thought(): Promise<unknown[]> {
    const { promise, resolve } = Promise.withResolvers<void>();
    thinking.push(resolve);
    most = Math.max(most, thinking.length);
    await promise;
    thinking = thinking.filter((one) => one !== resolve);
    return [];
  }

  const find = (client: BrokerClient, seconds: number) =>
    client.findslice({
      description: `<slice><name>try</name><nodes>1</nodes><lease_seconds>${seconds}</lease_seconds></slice>`,
    });
  const lengths = (client: BrokerClient, count: number, from: number) =>
    Array.from({ length: count }, (_, at) => find(client, from + at));

  test("an agent answers a few at once, the others wait, and an acquisition goes before them", async () => {
    const { alice, bob } = lab.agentLab;
    const hers = Promise.allSettled(lengths(lab.clientOf(alice), 9, 1000));
    await eventually(() => thinking.length >= 3);
    const his = Promise.all(lengths(lab.clientOf(bob), 8, 2000));
    // Of the length of a dry run that waits, too: it does not wait in its place.
    const acquired = lab.client.acquireslice({
      request: lab.request({ name: "urgent", description: { leaseSeconds: 2000 } }),
    });
    await eventually(() => thinking.length >= 4);
    thinking[3]!();
    assert.equal((await acquired).state, "done");
    const opening = setInterval(() => thinking.forEach((end) => void end()), 5);
    const outcomes = await hers.finally(() => his.finally(() => clearInterval(opening)));
    assert.equal((await his).length, 8);
    const refused = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
    assert.equal(refused.length, 1);
    refusal("RATE_LIMITED", /8 dry runs under way/)(refused[0]);
    assert.equal(most, 4);
  });

  test("whose turn does not come in time hears that the agent is busy, and the agent nothing of it", async () => {
    const agents = lab.config.agents.filter(({ identity }) => identity === slow.identity);
    await using sibling = await lab.sibling({ agents, agent_seconds: 12, ads_seconds: 60 });
    const from = slow.asked.ads;
    const client = lab.clientOf(lab.agentLab.alice, sibling);
    const early = Promise.allSettled(lengths(client, 7, 5000));
    await eventually(() => thinking.length === 3);
    await assert.rejects(find(client, 6000), refusal("BUSY", /is answering others/));
    for (const outcome of await early)
      refusal("BUSY", /try again/)(outcome.status === "rejected" && outcome.reason);
    assert.equal(slow.asked.ads - from, 3);
    for (const end of thinking) end();
    const again = find(client, 6000); // that it was busy is not remembered
    await eventually(() => thinking.length === 1);
    thinking[0]!();
    assert.deepEqual((await again).chosen, []);
  });
});
