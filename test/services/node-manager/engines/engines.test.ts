import assert from "node:assert/strict";
import { test } from "node:test";
import type { Backend } from "#services/node-manager/backends/backend.ts";
import { simulatedBackend } from "#services/node-manager/backends/simulated.ts";
import { chooseEngine, type Engines } from "#services/node-manager/engines/engines.ts";
import type { Ability } from "#shared/model/ability.ts";
import { Fault } from "#shared/model/errors.ts";
import type { PortRange } from "#shared/model/ports.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import { eventually } from "#test/support/deadline.ts";
import { nodeLab } from "../lab/node-lab.ts";
import { assertRefused } from "../lab/refusal.ts";

const PORTS: PortRange[] = [{ protocol: "tcp", from: 8080, to: 8080 }];

function engine(name: EngineName, ...abilities: Ability[]): Backend {
  const statement = {
    engine: name,
    simulated: false,
    images: ["debian-12"],
    defaultImage: "debian-12",
    abilities,
  };
  return { ...simulatedBackend(), statement };
}

const engines = [
  engine("docker"),
  engine("container", "ports", "administrative"),
  engine("microvm", "ports"),
] as const;

test("a ticket that names no engine gets the usual one, or the first that can do what it asks for", () => {
  assert.equal(chooseEngine(engines, {}).engine, "docker");
  assert.equal(chooseEngine(engines, { ports: [] }).engine, "docker");
  assert.equal(chooseEngine(engines, { ports: PORTS }).engine, "container");
  assert.equal(chooseEngine(engines, { ports: PORTS, engine: "microvm" }).engine, "microvm");
  const other = { ...engines[1].statement, images: ["debian-12", "busybox"] };
  const various: Engines = [engines[0], { ...engines[1], statement: other }];
  assert.equal(chooseEngine(various, { image: "busybox" }).engine, "container", "which has it");
  assert.equal(chooseEngine(engines, { administrative: ["CAP_NET_RAW"] }).engine, "container");
});

test("a ticket for what its engine cannot do is refused, and good for later", () => {
  const refused = (sentence: RegExp) => (error: unknown) =>
    error instanceof Fault &&
    error.name === "BACKEND_FAILED" &&
    error.retryable &&
    sentence.test(error.sentence);
  assert.throws(
    () => chooseEngine(engines, { ports: PORTS, engine: "docker" }),
    refused(/slivers of docker on this node are not reached on ports/),
  );
  assert.throws(
    () => chooseEngine(engines, { administrative: ["CAP_SYSLOG"], engine: "microvm" }),
    refused(/no sliver of microvm on this node has the ability administrative/),
  );
});

test("at redemption, too, and the agent knows beforehand", async () => {
  await using lab = await nodeLab();
  const facts = await eventually(() => lab.agent.facts[0], { what: "the node's facts" });
  const { engine: name, abilities } = lab.backend.statement;
  const told = facts as { abilities: unknown; kept_ports: PortRange[] };
  assert.deepEqual(told.abilities, [{ engine: name, abilities: [...abilities] }]);
  const kept = told.kept_ports.map(({ from }) => from);
  assert.ok(kept.includes(9100) && kept.includes(lab.node.sshPort), "the owner's and the node's own");

  Object.assign(lab.backend, { statement: { ...lab.backend.statement, abilities: [] } });
  const ticket = await lab.ticket({ ports: PORTS });
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: ticket.text }), "BACKEND_FAILED", /ports/);
  Object.assign(lab.backend, { statement: { ...lab.backend.statement, abilities } });
  assert.ok(await lab.alice.newlease({ ticketdata: ticket.text }), "the ticket was not used");
});

test("of many leases at once for one port of a node, one gets it", async () => {
  await using lab = await nodeLab();
  const tickets = await Promise.all(
    Array.from({ length: 12 }, (_, at) => lab.ticket({ slice: `s${at}`, ports: PORTS })),
  );
  const calls = tickets.map(({ text }) => lab.alice.newlease({ ticketdata: text }));
  const outcomes = await Promise.allSettled(calls);
  const [given, others] = [
    outcomes.filter((o) => o.status === "fulfilled"),
    outcomes.filter((o) => o.status === "rejected"),
  ];
  assert.equal(given.length, 1);
  assert.deepEqual(lab.lease(given[0]!.value).ports, PORTS);
  for (const { reason } of others) assert.match(String(reason), /NO_CAPACITY.*belongs to another lease/);
});
