import assert from "node:assert/strict";
import { test } from "node:test";
import { DAY, NOW } from "../../../support/documents.ts";
import { type AgentLab, agentLab, charges, opened, refusal } from "../agent-lab.ts";

function description(nodes: string, more = ""): string {
  return `<slice><name>oceanstore</name>${nodes}<lease_seconds>${DAY}</lease_seconds>${more}</slice>`;
}

const THREE = "<nodes>3</nodes>";

/** The addresses of the nodes on which the slice has tickets. */
async function places(lab: AgentLab): Promise<string[]> {
  return (await charges(lab)).map((charge) => charge.replace("oceanstore on ", ""));
}

test("a description gets what it describes, on nodes of the agent's choice", async () => {
  await using lab = await agentLab({ nodes: 5 });
  const resources =
    "<resources><cpu_millis>10</cpu_millis><memory_mib>64</memory_mib><disk_mib>100</disk_mib><egress_kbps>0</egress_kbps></resources>";
  const tickets = await lab.alice.client.gettickets({ description: description(THREE, resources) });
  assert.equal(tickets.length, 3);
  const node = lab.nodes.find(({ ip }) => tickets[0]!.includes(`<ip>${ip}</ip>`))!;
  const { ticket } = opened(node, tickets[0]!);
  assert.deepEqual(ticket.resources, { cpuMillis: 10, memoryMib: 64, diskMib: 100, egressKbps: 0 });
  assert.deepEqual(ticket.term, { start: NOW, end: NOW + DAY });
  assert.equal(ticket.slice, "oceanstore");
  assert.equal((await places(lab)).length, 3);
});

test("a list of nodes narrows it: one ticket each, by key or by address", async () => {
  await using lab = await agentLab({ nodes: 5 });
  const [one, two, three] = lab.nodes as unknown as [
    { name: string; ip: string },
    { name: string; ip: string },
    { name: string; ip: string },
  ];
  const ask = (more: object) => lab.alice.client.gettickets({ description: description(THREE), ...more });
  assert.equal((await ask({ nodes: [three.name, one.name] })).length, 2);
  assert.equal((await ask({ ips: [two.ip] })).length, 1);
  assert.deepEqual(await places(lab), [one.ip, three.ip, two.ip].toSorted());
  await assert.rejects(ask({ nodes: [one.name], ips: [one.ip] }), refusal("MALFORMED"));
  await assert.rejects(ask({ nodes: ["f".repeat(64)] }), refusal("NO_CAPACITY", /is no node/));
});

test("more nodes than are described are choices, the first that fit", async () => {
  await using lab = await agentLab({ nodes: 5, share: { slivers: 1 } });
  const ips = lab.nodes.map(({ ip }) => ip);
  await lab.bob.client.newtickets({ slice: "full", ntickets: 1, leaselen: DAY, ips: [ips[1]!] });
  const tickets = await lab.alice.client.gettickets({ description: description(THREE), ips });
  assert.equal(tickets.length, 3);
  assert.deepEqual((await places(lab)).slice(1), [ips[0], ips[2], ips[3]]);
});

test("fewer than wanted will do where the description says so, standbys come on top", async () => {
  await using lab = await agentLab({ nodes: 4 });
  const some = '<nodes atleast="2" standby="1">5</nodes>';
  assert.equal((await lab.alice.client.gettickets({ description: description(some) })).length, 4);
  await assert.rejects(
    lab.bob.client.gettickets({
      description: description('<nodes atleast="5">6</nodes>').replace("oceanstore", "bobs"),
    }),
    refusal("NO_CAPACITY", /^4 of 5 nodes fit/),
  );
});

test("where a description wants its nodes, there they are", async () => {
  await using lab = await agentLab({ nodes: 4 });
  await lab.database.run("insert into sites (name, added) values ('princeton', now()), ('cornell', now())");
  const place = (at: number, site: string, region: string) =>
    lab.database.run(
      "with n as (update nodes set region = $3, tags = array['rack=' || $2] where ip = $1 returning node) update principals set site = $2 from n where name = n.node",
      [lab.nodes[at]!.ip, site, region],
    );
  await place(0, "princeton", "us");
  await place(1, "princeton", "us");
  await place(2, "cornell", "us");
  const ips = lab.nodes.map(({ ip }) => ip);
  const ask = (name: string, where: string, nodes = 1) =>
    lab.alice.client.gettickets({
      description: description(`<nodes>${nodes}</nodes>`, `<where>${where}</where>`).replace(
        "oceanstore",
        name,
      ),
    });
  await ask("a", '<tag name="site">cornell</tag>');
  await ask("b", '<tag name="region">us</tag><tag name="rack">cornell</tag>');
  await ask("c", `<node>${ips[3]}</node>`);
  await ask("d", `<avoid>${ips[0]}</avoid><avoid>${ips[1]}</avoid><avoid>${ips[3]}</avoid>`);
  assert.deepEqual(await charges(lab), [
    `a on ${ips[2]}`,
    `b on ${ips[2]}`,
    `c on ${ips[3]}`,
    `d on ${ips[2]}`,
  ]);
  await ask("h", "<site>cornell</site><site>intel</site>");
  await ask("i", `<avoid site="princeton"/><avoid>${ips[3]}</avoid>`);
  assert.deepEqual((await charges(lab)).slice(-2), [`h on ${ips[2]}`, `i on ${ips[2]}`]);
  await assert.rejects(
    ask("j", "<site>intel</site>"),
    refusal("NO_CAPACITY", /4 nodes are not at a site asked/),
  );
  assert.equal((await ask("e", '<site distinct="true"/>', 2)).length, 2);
  await assert.rejects(ask("f", '<site distinct="true"/>', 3), refusal("NO_CAPACITY", /^2 of 3/));
  await assert.rejects(
    ask("g", '<tag name="region">eu</tag>'),
    refusal("NO_CAPACITY", /4 nodes are not of region eu; ask for other nodes$/),
  );
});

test("an agent does not choose what is to be included: it takes the nodes it is told", async () => {
  await using lab = await agentLab({ nodes: 2 });
  const { client } = lab.alice;
  const ips = [lab.nodes[1]!.ip];
  const asked = description("<nodes>1</nodes>", `<where><include>${ips[0]}</include></where>`);
  await assert.rejects(
    client.gettickets({ description: asked }),
    refusal("MALFORMED", /name the nodes, or let a broker/),
  );
  assert.equal((await client.gettickets({ description: asked, ips })).length, 1);
});

test("a description that cannot be read, or what narrows a request without one, is refused by number", async () => {
  await using lab = await agentLab();
  const { client } = lab.alice;
  await assert.rejects(client.gettickets({ description: "<slice/>" }), refusal("MALFORMED"));
  await assert.rejects(
    client.gettickets({ description: description(THREE).replace("oceanstore", "root") }),
    refusal("BAD_NAME"),
  );
  await assert.rejects(client.gettickets({ ips: ["10.77.0.1"] }), refusal("MALFORMED", /description/));
  await assert.rejects(
    client.gettickets({ description: description(THREE), count: 1 }),
    refusal("MALFORMED", /narrow a request/),
  );
});
