import assert from "node:assert/strict";
import { test } from "node:test";
import { type AgentLab, agentLab, type LabNode, type LabOptions } from "../agent-lab.ts";
import { type Feed, feed, host } from "./feed.ts";

type FedLab = AsyncDisposable & { readonly lab: AgentLab; readonly feeds: readonly [Feed, Feed] };

/** An agent that polls two feeds, which tell nothing yet. */
async function fedLab(options: LabOptions = {}): Promise<FedLab> {
  await using owned = new AsyncDisposableStack();
  const feeds = [owned.use(await feed()), owned.use(await feed())] as const;
  const monitors = feeds.map(({ address }) => ({ ...address }));
  const lab = owned.use(await agentLab({ ...options, config: { monitors, ...options.config } }));
  await lab.agent.look();
  const kept = owned.move();
  return { lab, feeds, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Polls every monitor once more, half a minute later. */
async function polled({ clock, agent }: AgentLab): Promise<void> {
  clock.advance(30);
  await agent.look();
}

async function ad({ alice }: AgentLab, node: LabNode) {
  const [one] = await alice.client.getads({ nodes: [node.name] });
  assert.ok(typeof one === "object");
  return one;
}

test("what a monitor tells of a node is in its advertisement, until it is old", async () => {
  await using fed = await fedLab();
  const { lab, feeds } = fed;
  const [node, other] = lab.nodes;
  const before = await ad(lab, node);
  assert.deepEqual([before.load, before.cpus, before.monitored], [null, null, null]);
  feeds[0].tells([
    host("192.0.2.1", { slicelab_node: node.name, load_one: ["1.25", 10], cpu_num: "4" }, { tn: 7 }),
    host(other.ip, { load_one: "0" }),
    host("192.0.2.3", { load_one: "9" }),
  ]);
  await polled(lab);
  const { load, cpus, monitored } = await ad(lab, node);
  assert.deepEqual([load, cpus, monitored], [1.25, 4, "2030-01-01 12:00:23"], "by its key, with ages");
  assert.deepEqual([(await ad(lab, other)).load, (await ad(lab, other)).cpus], [0, null], "by its address");
  feeds[0].tells([]);
  lab.clock.advance(80);
  assert.equal((await ad(lab, node)).load, 1.25, "measured 90 s ago");
  lab.clock.advance(1);
  assert.deepEqual([(await ad(lab, node)).load, (await ad(lab, node)).cpus], [null, 4]);
  assert.equal((await ad(lab, node)).monitored, monitored);
});

test("getads asks for a load of at most so much, which has to be known", async () => {
  await using fed = await fedLab({ nodes: 3 });
  const { lab, feeds } = fed;
  feeds[0].tells([host("10.77.0.1", { load_one: "0.5" }), host("10.77.0.2", { load_one: "2.50" })]);
  await polled(lab);
  const ips = async (max_load: number) => {
    const ads = await lab.alice.client.getads({ max_load });
    return ads.map((one) => typeof one === "object" && one.ip).toSorted();
  };
  assert.deepEqual(await ips(2.5), ["10.77.0.1", "10.77.0.2"]);
  assert.deepEqual(await ips(2.49), ["10.77.0.1"]);
  assert.deepEqual(await ips(0), []);
  await assert.rejects(lab.alice.client.getads({ max_load: -1 }), /max_load/);
});
