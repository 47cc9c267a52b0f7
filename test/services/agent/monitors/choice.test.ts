import assert from "node:assert/strict";
import { test } from "node:test";
import { charges, refusal } from "../agent-lab.ts";
import { fedLab, polled } from "./fed-lab.ts";
import { host } from "./feed.ts";

function description(count: number, where: string): string {
  return `<slice><name>oceanstore</name><nodes>${count}</nodes><lease_seconds>3600</lease_seconds><where>${where}</where></slice>`;
}

test("an agent that chooses nodes for a description keeps to the load it asks for; whoever names nodes has chosen", async () => {
  await using fed = await fedLab({ nodes: 3 });
  const { lab, feeds } = fed;
  const [idle, busy, unknown] = lab.nodes as [
    (typeof lab.nodes)[0],
    (typeof lab.nodes)[0],
    (typeof lab.nodes)[0],
  ];
  feeds[0].tells([host(idle.ip, { load_one: "0.5" }), host(busy.ip, { load_one: "3.00" })]);
  await polled(lab);
  const ask = (count: number, more: object = {}) =>
    lab.alice.client.gettickets({ description: description(count, '<load atmost="0.5"/>'), ...more });
  await assert.rejects(ask(2), (error) => {
    refusal("NO_CAPACITY", /has a load of more than 0\.5/)(error);
    return refusal("NO_CAPACITY", /has a load that nobody knows/)(error);
  });
  await ask(1);
  assert.deepEqual(await charges(lab), [`oceanstore on ${idle.ip}`]);
  await ask(2, { nodes: [busy.name, unknown.name] });
  assert.equal((await charges(lab)).length, 3);
});

test("the sites a description names bind whoever chooses the nodes", async () => {
  await using fed = await fedLab({ nodes: 3 });
  const { lab } = fed;
  const [at, elsewhere, nowhere] = lab.nodes as [
    (typeof lab.nodes)[0],
    (typeof lab.nodes)[0],
    (typeof lab.nodes)[0],
  ];
  for (const [node, site] of [
    [at, "mit"],
    [elsewhere, "berlin"],
  ] as const) {
    await lab.registry.addSite(site);
    await lab.database.run("update principals set site = $2 where name = $1", [node.name, site]);
  }
  const ask = (where: string, nodes: readonly { name: string }[]) =>
    lab.alice.client.gettickets({
      description: description(1, where),
      nodes: nodes.map(({ name }) => name),
    });
  await assert.rejects(
    ask("<site>mit</site>", [elsewhere]),
    refusal("NO_CAPACITY", /not at a site asked for/),
  );
  await assert.rejects(ask("<site>mit</site>", [nowhere]), refusal("NO_CAPACITY", /not at a site asked for/));
  await assert.rejects(
    ask('<avoid site="berlin"/>', [elsewhere]),
    refusal("NO_CAPACITY", /site to be avoided/),
  );
  assert.equal((await ask("<site>mit</site>", [elsewhere, at])).length, 1);
  assert.equal((await ask('<avoid site="berlin"/>', [nowhere])).length, 1);
  assert.deepEqual(await charges(lab), [`oceanstore on ${at.ip}`, `oceanstore on ${nowhere.ip}`]);
});
