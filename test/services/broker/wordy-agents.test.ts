import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { AdvertisementStruct } from "#shared/wire/agent-api.ts";
import { agentLab } from "../agent/agent-lab.ts";
import { nodeName } from "./advertisements.ts";
import { type BrokerLab, brokerLab } from "./broker-lab.ts";
import { oddAgent, roomyAd } from "./odd-agent.ts";

/** As many as one page has that is the last. */
const NODES = 999;

/** What each advertises of every node. All of it stays below what a client takes as one answer. */
const WORDY: Readonly<Record<string, Partial<AdvertisementStruct>>> = {
  "says much of where its nodes are": { site: "y".repeat(14_000) },
  "calls its nodes by other names than addresses": { ip: "metadata.internal/latest#" },
};

for (const [what, said] of Object.entries(WORDY)) {
  describe(`a broker that knows, besides a good agent, one that ${what}`, () => {
    const owned = new AsyncDisposableStack();
    let lab: BrokerLab;
    before(async () => {
      // Of the same authority as the lab's: it is shared by all labs of a process.
      const agents = await agentLab({ nodes: 2, deposited: false });
      const identity = await agents.authority.server(what.slice(0, 20));
      await agents[Symbol.asyncDispose]();
      const ads = () =>
        Array.from({ length: NODES }, (_, at) => roomyAd(at % 250, { node: nodeName(at), ...said }));
      const odd = owned.use(await oddAgent(identity, { ads }));
      lab = owned.use(await brokerLab({ agent: { nodes: 2 }, others: [odd] }));
    });
    after(() => owned.disposeAsync());

    test("explains what does not fit all the same, and speaks of none of its nodes", async () => {
      const elsewhere = "<where><site>mit</site></where>";
      const description = `<slice><name>far</name><nodes>2</nodes><lease_seconds>3600</lease_seconds>${elsewhere}</slice>`;
      const found = await lab.client.findslice({ description });
      assert.equal(found.refused_count, 2);
      const got = await lab.client.acquireslice({ request: lab.request({ name: "good", count: 2 }) });
      assert.equal(got.state, "done");
      assert.equal(got.tickets.length, 2);
      assert.deepEqual(new Set(got.specification!.chosen.map(({ agent }) => agent)), new Set([lab.agent]));
    });
  });
}
