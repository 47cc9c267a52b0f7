import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { parseDocument } from "#shared/wire/document.ts";
import { eventually } from "../../../support/deadline.ts";
import { DAY, HOUR } from "../../../support/documents.ts";
import { type AgentLab, agentLab, audited, charges, checkSums, type LabNode, refusal } from "../agent-lab.ts";
import { FACTS } from "../facts.ts";
import { type StandingNode, standingNode } from "../standing-node.ts";

const FOUR = { slice: "princeton_dns", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };

/** A lab whose nodes are on loopback addresses, the first of which answers when its agent asks. */
async function answeringLab(
  cancelTimeoutMs = 1000,
): Promise<{ lab: AgentLab; node: LabNode; standing: StandingNode } & AsyncDisposable> {
  await using owned = new AsyncDisposableStack();
  const lab = owned.use(await agentLab({ loopback: true, deps: { cancelTimeoutMs } }));
  const [node] = lab.nodes;
  const standing = owned.use(await standingNode(node, node.ip, lab.clock));
  await node.client.deposittickets({ tickets: [], facts: { ...FACTS, sslport: standing.port } });
  const kept = owned.move();
  return { lab, node, standing, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

const idOf = (text: string) => parseDocument(text).id;

async function ticket(lab: AgentLab, node: LabNode, slice = "princeton_dns"): Promise<string> {
  const [text] = await lab.alice.client.newtickets({ ...FOUR, slice, ips: [node.ip] });
  return text!;
}

test("a released ticket is free as soon as its node has said that nobody redeemed it", async () => {
  await using run = await answeringLab();
  const { lab, node, standing } = run;
  const text = await ticket(lab, node);
  const released = await lab.alice.client.releasetickets({ tickets: [text] });
  assert.deepEqual(released, [{ ticket: idOf(text), state: "released" }]);
  await eventually(async () => (await charges(lab)).length === 0);
  assert.deepEqual(standing.asked, [idOf(text)]);
  const again = await lab.alice.client.releasetickets({ tickets: [text, text] });
  assert.deepEqual(again, [{ ticket: idOf(text), state: "freed" }]);
  assert.deepEqual(await lab.alice.client.gettickets(), []);
  await checkSums(lab);
});

test("a ticket that was redeemed meanwhile counts on, whatever its principal says", async () => {
  await using run = await answeringLab();
  const { lab, node, standing } = run;
  const text = await ticket(lab, node);
  standing.states.set(idOf(text), "leased");
  await lab.alice.client.releasetickets({ tickets: [text] });
  await eventually(async () => {
    const [standing] = await lab.alice.client.releasetickets({ tickets: [text] });
    return standing?.state === "redeemed";
  });
  assert.equal((await charges(lab)).length, 1);
  standing.asked.length = 0;
  await lab.agent.scan();
  assert.deepEqual(standing.asked, [], "the node has said what became of it");
});

test("a node that does not answer is asked again until it does; nothing is free before", async () => {
  await using run = await answeringLab();
  const { lab, standing } = run;
  const [node, away] = lab.nodes;
  await away.client.deposittickets({ tickets: [], facts: { ...FACTS, sslport: 1 } });
  const [here, there] = [await ticket(lab, node, "here"), await ticket(lab, away, "there")];
  await lab.alice.client.releasetickets({ tickets: [here, there] });
  await eventually(async () => (await charges(lab)).length === 1);
  await lab.agent.scan();
  assert.deepEqual(await charges(lab), [`there on ${away.ip}`]);
  await using back = await standingNode(away, away.ip, lab.clock);
  await away.client.deposittickets({ tickets: [], facts: { ...FACTS, sslport: back.port } });
  await lab.agent.scan();
  assert.deepEqual(await charges(lab), []);
  assert.deepEqual(standing.asked, [idOf(here)]);
});

test("a node that lies, answers for another, or signs nothing changes no books", async () => {
  await using run = await answeringLab();
  const { lab, node, standing } = run;
  const other = lab.nodes[1];
  const [text, theirs] = [await ticket(lab, node), await ticket(lab, other, "theirs")];
  const lies: StandingNode["lie"][] = [
    (honest) => honest.replace("cancelled", "ended"),
    (honest) => honest.replace(/sig-rsa-sha256-base64: ..../, "sig-rsa-sha256-base64: AAAA"),
    () => text,
    () => "",
    () => "x".repeat(1_000_000),
  ];
  await lab.alice.client.releasetickets({ tickets: [text] });
  await eventually(async () => (await charges(lab)).length === 1);
  const [next] = await lab.alice.client.newtickets({ ...FOUR, slice: "next", ips: [node.ip] });
  for (const lie of lies) {
    standing.lie = lie;
    await lab.alice.client.releasetickets({ tickets: [next!] });
    await lab.agent.scan();
    assert.equal((await charges(lab)).length, 2);
  }
  standing.lie = (honest) => honest;
  standing.states.set(idOf(theirs), "ended");
  await lab.agent.scan();
  assert.deepEqual(await charges(lab), [`theirs on ${other.ip}`]);
});

test("tickets that nobody reported are put to their node when nobody can redeem them any more", async () => {
  await using run = await answeringLab();
  const { lab, node, standing } = run;
  const text = await ticket(lab, node);
  standing.states.set(idOf(text), "unredeemed");
  lab.clock.advance(HOUR + 300);
  await lab.agent.scan();
  assert.deepEqual(standing.asked, [], "a clock that is slow still lets it be redeemed");
  lab.clock.advance(1);
  await lab.agent.scan();
  assert.deepEqual(standing.asked, [idOf(text)]);
  assert.deepEqual(await charges(lab), []);
});

test("after the clock was set nothing is thought overdue, and what was given back is still given back", async () => {
  await using run = await answeringLab();
  const { lab, node, standing } = run;
  const [kept, given] = [await ticket(lab, node, "kept"), await ticket(lab, node, "given")];
  lab.clock.set(lab.clock.now() + 2 * HOUR);
  await lab.agent.scan();
  assert.deepEqual(standing.asked, []);
  await lab.alice.client.releasetickets({ tickets: [given] });
  await eventually(async () => (await charges(lab)).length === 1);
  assert.deepEqual(standing.asked, [idOf(given)]);
  await assert.rejects(lab.alice.client.newtickets(FOUR), refusal("CLOCK_UNSURE"));
  assert.ok(kept);
});

test("only its principal gives a ticket back, and only what this agent signed", async () => {
  await using run = await answeringLab();
  const { lab, node } = run;
  const text = await ticket(lab, node);
  const give = (client: typeof lab.bob.client, tickets: string[]) => client.releasetickets({ tickets });
  await assert.rejects(give(lab.bob.client, [text]), refusal("NOT_PRINCIPAL"));
  await assert.rejects(give(node.client, [text]), refusal("NOT_PRINCIPAL"));
  await assert.rejects(
    give(lab.alice.client, [text.replace("princeton_dns", "princeton_dnt")]),
    refusal("BAD_SIGNATURE"),
  );
  await assert.rejects(give(lab.alice.client, [node.root().text]), refusal("UNKNOWN_KEY"));
  await assert.rejects(give(lab.alice.client, [text, "x"]), refusal("MALFORMED"));
  await assert.rejects(give(lab.alice.client, []), refusal("MALFORMED"));
  assert.equal(
    (await lab.alice.client.gettickets()).length,
    1,
    "a call that is refused in part is refused in whole",
  );
  assert.ok((await audited(lab)).includes("bob releasetickets NOT_PRINCIPAL"));
});

test("more tickets of one node than a statement speaks of are put to it a statement's worth at a time", async () => {
  await using run = await answeringLab();
  const { lab, node, standing } = run;
  const texts: string[] = [];
  for (let at = 0; at < 60; at++) texts.push(await ticket(lab, node, `s${at}`));
  await lab.alice.client.releasetickets({ tickets: texts });
  await eventually(async () => (await charges(lab)).length === 10);
  await lab.agent.scan();
  assert.deepEqual(await charges(lab), []);
  assert.equal(new Set(standing.asked).size, 60);
});

test("an agent that ends does not wait for nodes that never answer", async () => {
  await using silent = await listenOnly("127.0.1.2");
  await using run = await answeringLab(60_000);
  const { lab } = run;
  const away = lab.nodes[1];
  await away.client.deposittickets({ tickets: [], facts: { ...FACTS, sslport: silent.port } });
  await lab.alice.client.releasetickets({ tickets: [await ticket(lab, away)] });
  await eventually(() => silent.connections > 0);
  const begin = performance.now();
  await lab.agent[Symbol.asyncDispose]();
  assert.ok(performance.now() - begin < 30_000);
  assert.equal((await charges(lab)).length, 1);
});

/** Takes connections at an address and says nothing on them. */
async function listenOnly(ip: string): Promise<AsyncDisposable & { port: number; connections: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on("error", () => undefined))).listen(0, ip);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
