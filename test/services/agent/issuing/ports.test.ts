import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDocument } from "#shared/wire/document.ts";
import { readTicket } from "#shared/wire/ticket-document.ts";
import { DAY } from "../../../support/documents.ts";
import { type AgentLab, agentLab, checkSums, type LabNode, opened, refusal } from "../agent-lab.ts";
import { FACTS } from "../facts.ts";

const FOUR = { slice: "princeton_dns", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };
const tcp = (from: number, to = from) => ({ protocol: "tcp" as const, from, to });
const udp = (from: number, to = from) => ({ protocol: "udp" as const, from, to });

/** A lab whose nodes hand out few ports, and keep two of them. */
async function portLab(options: Parameters<typeof agentLab>[0] = {}): Promise<AgentLab> {
  const lab = await agentLab({ deposited: false, ...options });
  for (const node of lab.nodes) {
    const root = node.root({ ports: [tcp(20_000, 20_063), udp(30_000, 30_003)] });
    const facts = { ...FACTS, kept_ports: [tcp(20_001), tcp(20_003)] };
    await node.client.deposittickets({ tickets: [root.text], facts });
  }
  return lab;
}

const portsOf = (node: LabNode, text: string) => opened(node, text).ticket.ports;

test("ports nobody named are the lowest that are free on each node, never those a node keeps", async () => {
  await using lab = await portLab();
  const [one, two] = lab.nodes;
  const ask = (slice: string, more: object) => lab.alice.client.newtickets({ ...FOUR, slice, ...more });
  const [first] = await ask("a", { ips: [one.ip], any_ports: { tcp: 2, udp: 1 } });
  assert.deepEqual(portsOf(one, first!), [tcp(20_000), tcp(20_002), udp(30_000)]);
  const both = await ask("b", {
    ntickets: 2,
    ips: [one.ip, two.ip],
    any_ports: { tcp: 2 },
    ports: [tcp(20_005)],
  });
  assert.deepEqual(portsOf(one, both[0]!), [tcp(20_005), tcp(20_004), tcp(20_006)]);
  assert.deepEqual(portsOf(two, both[1]!), [tcp(20_005), tcp(20_000), tcp(20_002)]);
});

test("a description leaves ports to the agent", async () => {
  await using lab = await portLab();
  const [node] = lab.nodes;
  const description = `<slice><name>web</name><nodes>1</nodes><lease_seconds>3600</lease_seconds>
    <ports><port protocol="tcp" any="1"/><port protocol="udp" from="30001" to="30001"/></ports></slice>`;
  const [text] = await lab.alice.client.gettickets({ description, ips: [node.ip] });
  assert.deepEqual(portsOf(node, text!), [udp(30_001), tcp(20_000)]);
});

test("many at once, at two agents of one database, never get the same port, and as many as there are get one", async () => {
  await using lab = await portLab();
  await using second = await lab.sibling();
  const [{ ip }] = lab.nodes;
  const clients = [lab.alice.client, second.client(lab.bob)];
  const calls = Array.from({ length: 24 }, (_, at) =>
    clients[at % 2]!.newtickets({ ...FOUR, slice: `s${at}`, ips: [ip], any_ports: { tcp: 3 } }),
  );
  const got: number[] = [];
  for (const outcome of await Promise.allSettled(calls)) {
    if (outcome.status === "rejected") {
      refusal("NO_CAPACITY", /fewer than the 3 tcp ports/)(outcome.reason);
      continue;
    }
    const document = parseDocument(outcome.value[0]!);
    for (const { from, to } of readTicket(document).ports)
      for (let port = from; port <= to; port++) got.push(port);
  }
  assert.equal(new Set(got).size, got.length, "no port twice");
  assert.equal(got.length, 3 * Math.floor(62 / 3), "62 ports there are");
  await checkSums(lab);
});

test("a slice asks again for the same node, to renew its lease, and gets the same ports", async () => {
  await using lab = await portLab();
  const [node] = lab.nodes;
  const ask = (slice: string, more: object = {}) =>
    lab.alice.client.newtickets({ ...FOUR, slice, ips: [node.ip], any_ports: { tcp: 2 }, ...more });
  const [low] = await ask("early");
  const [before] = await ask("mine", { ports: [tcp(20_050)] });
  assert.deepEqual(portsOf(node, before!), [tcp(20_050), tcp(20_004, 20_005)]);
  const { id } = parseDocument(low!);
  await node.client.settletickets({ ended: [id] });
  const [after] = await ask("mine", { ports: [tcp(20_050)] });
  assert.deepEqual(portsOf(node, after!), portsOf(node, before!), "though lower ones are free again");
  await assert.rejects(
    ask("other", { ports: [tcp(20_050)] }),
    refusal("NO_CAPACITY", /has given tcp 20050 to another slice; ask for other ports$/),
  );
});

test("a port that cannot be had is refused with the reason", async () => {
  await using lab = await portLab();
  const [{ ip }] = lab.nodes;
  const ask = (more: object) => lab.alice.client.newtickets({ ...FOUR, ips: [ip], ...more });
  const refused = (sentence: RegExp) => refusal("NO_CAPACITY", sentence);
  await assert.rejects(ask({ ports: [tcp(80)] }), refused(/tcp 80, a privileged port \(below 1024\)/));
  await assert.rejects(
    ask({ ports: [tcp(20_001)] }),
    refused(/keeps tcp 20001 for itself; ask for other ports$/),
  );
  await assert.rejects(ask({ any_ports: { udp: 5 } }), refused(/fewer than the 5 udp ports asked for left/));
  await assert.rejects(ask({ any_ports: { tcp: 65 } }), refusal("MALFORMED"));
});

test("what needs an ability goes where an engine has it", async () => {
  await using lab = await portLab();
  const [able, unable] = lab.nodes;
  const abilities = [
    { engine: "simulated", abilities: ["terminal"] },
    { engine: "container", abilities: ["administrative"] },
  ];
  const facts = { ...FACTS, engines: ["simulated" as const, "container" as const], abilities };
  await unable.client.deposittickets({ tickets: [], facts });
  const ask = (more: object) => lab.admin.client.newtickets({ ...FOUR, ips: [unable.ip], ...more });
  await assert.rejects(
    ask({ any_ports: { tcp: 1 } }),
    refusal("NO_CAPACITY", /reached on ports of the node/),
  );
  await assert.rejects(
    ask({ administrative: ["CAP_NET_RAW"], engine: "simulated" }),
    refusal("NO_CAPACITY", /no engine that makes administrative slivers/),
  );
  for (let at = 0; at < 4; at++) {
    const [text] = await lab.alice.client.newtickets({ ...FOUR, slice: `s${at}`, any_ports: { tcp: 1 } });
    assert.equal(readTicket(parseDocument(text!)).node, able.name);
  }
  const advertised = async (filter: object) => {
    const ads = await lab.alice.client.getads(filter);
    return ads.map((ad) => (typeof ad === "string" ? ad : ad.ip));
  };
  assert.deepEqual(await advertised({ abilities: ["ports"] }), [able.ip]);
  assert.deepEqual((await advertised({ abilities: ["administrative"] })).sort(), [able.ip, unable.ip]);
  assert.deepEqual(await advertised({ abilities: ["administrative"], engine: "simulated" }), [able.ip]);
  const [ad] = await lab.alice.client.getads({ nodes: [unable.name] });
  assert.deepEqual(typeof ad === "object" && ad.abilities, abilities);
});
