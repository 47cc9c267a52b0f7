import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { parseDocument } from "#shared/wire/document.ts";
import { readTicket } from "#shared/wire/ticket-document.ts";
import { eventually } from "../../support/deadline.ts";
import { sealedRoot, sealedSliceTicket, serial } from "../../support/documents.ts";
import { agentLab, charges, refusal } from "../agent/agent-lab.ts";
import { SMALL } from "./advertisements.ts";
import { type BrokerLab, brokerLab } from "./broker-lab.ts";
import { type OddAgent, type Oddities, oddAgent, roomyAd } from "./odd-agent.ts";

const AGENT_SECONDS = 8;
const never = () => new Promise<never>(() => undefined);

/** What is wrong with each of the other agents: all of them advertise nodes that seem better than the real agent's. */
const ODD: Readonly<Record<string, Oddities>> = {
  "never says what it has": { ads: never },
  "never answers when asked for tickets": { ads: () => [roomyAd(1)], tickets: never },
  "advertises what makes no sense": { ads: () => [{ ...roomyAd(2), free: "everything" }] },
  "advertises without end": { ads: () => Array.from({ length: 1000 }, (_, at) => roomyAd(at % 250)) },
  "answers with 20 MB": { ads: () => [roomyAd(3, { images: ["x".repeat(20 * 1024 ** 2)] })] },
  "gives tickets for another principal": { ads: () => [roomyAd(4)], tickets: lyingTickets },
  "gives nonsense for tickets": { ads: () => [roomyAd(5)], tickets: () => ["ticket"] },
  "fails at tickets": {
    ads: () => [roomyAd(6)],
    tickets: () => {
      throw new Error("inside");
    },
  },
  "gives no tickets at all": { ads: () => [roomyAd(7)], tickets: () => [] },
};

function lyingTickets(nodes: readonly string[]): string[] {
  return nodes.map((node, at) => {
    const ticket = { node, ip: "10.99.0.4", slice: "good", resources: SMALL, serial: serial(at) };
    return sealedSliceTicket(sealedRoot(), ticket).text;
  });
}

describe("a broker with one good agent among many others", () => {
  const owned = new AsyncDisposableStack();
  const odd = new Map<string, OddAgent>();
  let lab: BrokerLab;
  before(async () => {
    // Of the same authority as the lab's: it is shared by all labs of a process.
    const { authority } = await disposed(await agentLab({ nodes: 2, deposited: false }));
    for (const [what, oddities] of Object.entries(ODD))
      odd.set(what, owned.use(await oddAgent(await authority.server(what.slice(0, 40)), oddities)));
    const dead = { identity: "d".repeat(64), url: "https://127.0.0.1:9/RPC2" };
    const someoneElse = { identity: "e".repeat(64), url: [...odd.values()][0]!.url };
    const others = [...odd.values()].map(({ identity, url }) => ({ identity, url }));
    const config = { agent_seconds: AGENT_SECONDS, acquisitions_at_once: 2 };
    lab = owned.use(await brokerLab({ agent: { nodes: 4 }, config, others: [...others, dead, someoneElse] }));
  });
  after(() => owned.disposeAsync());

  test("all that the good one has is got within one agent's deadline, and who failed is named", async () => {
    const begin = performance.now();
    const got = await lab.client.acquireslice({ request: lab.request({ name: "good", count: 4 }) });
    const took = performance.now() - begin;
    assert.equal(got.state, "done");
    const tickets = got.tickets.map((text) => readTicket(parseDocument(text)));
    assert.deepEqual(
      tickets.map(({ node }) => node).sort(),
      lab.agentLab.nodes.map(({ name }) => name).sort(),
    );
    for (const { agent } of got.specification!.chosen) assert.equal(agent, lab.agent);
    assert.ok(took < AGENT_SECONDS * 1000 * 2, `${took.toFixed(0)} ms`);
    const blamed = new Set(got.refused.map(({ agent }) => agent));
    for (const what of ["never answers when asked for tickets", "gives tickets for another principal"])
      assert.ok(blamed.has(odd.get(what)!.identity), what);
    assert.match(got.progress, /without an answer/);
  });

  test("a principal has so many acquisitions under way and no more", async () => {
    const requests = ["p", "q", "r"].map((name) => lab.request({ name, count: 4 }));
    const outcomes = await Promise.allSettled(
      requests.map((request) => lab.client.acquireslice({ request, wait_seconds: 0 })),
    );
    const refused = outcomes.filter(({ status }) => status === "rejected");
    assert.equal(refused.length, 1);
    refusal("RATE_LIMITED", /2 acquisitions under way/)((refused[0] as PromiseRejectedResult).reason);
    const { bob } = lab.agentLab;
    const bobs = await lab
      .clientOf(bob)
      .acquireslice({ request: lab.request({ name: "bobs", as: bob }), wait_seconds: 0 });
    assert.equal(bobs.state, "working");
    await eventually(
      async () => (await charges(lab.agentLab)).filter((c) => c.startsWith("bobs on ")).length === 2,
    );
  });

  test("a crowd that asks at once asks each agent once what it has", async () => {
    const working = "select from acquisitions where state = 'working'";
    await eventually(async () => (await lab.database.rows(working)).length === 0); // they ask, too
    const tellsAds = odd.get("gives no tickets at all")!;
    const from = tellsAds.asked.ads;
    const agents = lab.config.agents.filter(({ identity }) =>
      [lab.agent, tellsAds.identity].includes(identity),
    );
    const sibling = await lab.sibling({ agents, agent_seconds: 60, ads_seconds: 60 });
    const { alice, bob } = lab.agentLab;
    const crowd = [alice, bob].map((who) => lab.clientOf(who, sibling));
    const wish = `<slice><name>crowd</name><nodes>1</nodes><lease_seconds>3600</lease_seconds></slice>`;
    await Promise.all(
      crowd.flatMap((client) => Array.from({ length: 8 }, () => client.findslice({ description: wish }))),
    );
    assert.equal(tellsAds.asked.ads - from, 1);
    await sibling[Symbol.asyncDispose]();
  });
});

async function disposed<T extends AsyncDisposable>(one: T): Promise<T> {
  await one[Symbol.asyncDispose]();
  return one;
}
