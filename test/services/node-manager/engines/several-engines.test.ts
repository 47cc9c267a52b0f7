import assert from "node:assert/strict";
import { test } from "node:test";
import type { Backend } from "#services/node-manager/backends/backend.ts";
import { LateBackend } from "#services/node-manager/backends/late.ts";
import { simulatedBackend } from "#services/node-manager/backends/simulated.ts";
import { Fault } from "#shared/model/errors.ts";
import { fault, somePlan } from "#test/contract/backend.ts";
import { eventually } from "#test/support/deadline.ts";
import { type NodeLab, nodeLab } from "../lab/node-lab.ts";
import { toldEverything } from "../lab/refusal.ts";

const NO_DAEMON = { dockerSocket: "/nonexistent/slicelab/docker.sock" };
const slice = "princeton_dns";

/** On a node whose only engine that works is simulated; the one more that is configured has no daemon. */
function labOf(...engines: NodeLab["engines"]): Promise<NodeLab> {
  return nodeLab({ configured: true, config: { ...NO_DAEMON, engines } });
}

async function page(lab: NodeLab): Promise<string> {
  return await (await fetch(lab.node.webUrl)).text();
}

test("an engine that can't be opened keeps nobody from the others, and is told of nowhere but on the page", async () => {
  await using lab = await labOf("docker", "simulated");
  const description = await lab.alice.getconfig({});
  assert.deepEqual([description.engines, description.simulated], [["simulated"], true]);
  await lab.root();
  assert.deepEqual((lab.agent.facts[0] as { engines: string[] }).engines, ["simulated"]);
  assert.match(await page(lab), /The engine docker does not work: the Docker daemon does not answer/);
  assert.match(lab.logged.join(""), /an engine does not work; it is tried again/);
  const open = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice })).text }));
  assert.equal(open.engine, "simulated", "the first one that works");
});

test("a ticket for an engine that does not work is refused with why, and not used up", async () => {
  await using lab = await labOf("simulated", "docker");
  const ticketdata = (await lab.ticket({ slice, engine: "docker" })).text;
  await assert.rejects(
    lab.alice.newlease({ ticketdata }),
    (error) =>
      fault("BACKEND_FAILED")(error) && /engine docker of this node does not work now/.test(`${error}`),
  );
  assert.deepEqual(await lab.alice.getleases(), []);
  assert.match(lab.dump(), /tickets: \[\]/);
});

test("a node none of whose engines can be opened does not start, and says why", async () => {
  await assert.rejects(
    labOf("docker"),
    (error) => fault("BACKEND_FAILED")(error) && /Docker daemon does not answer/.test(`${error}`),
  );
});

test("an engine that is configured no longer keeps its slivers, gets no new ones, and goes with the last", async () => {
  await using lab = await labOf("simulated");
  const made = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice })).text }));
  Object.assign(lab.config, { engines: ["docker"] });
  await lab.restart();
  await lab.node.reconciler.pass();
  const status = await lab.alice.getstatus({ slice });
  assert.deepEqual([status.state, status.engine, status.sliver], ["running", "simulated", made.sliver]);
  assert.deepEqual((await lab.alice.getconfig({})).engines, []);
  assert.match(await page(lab), /simulated \(retired\)/);
  for (const engine of ["simulated", undefined] as const) {
    const ticketdata = (await lab.ticket({ slice: "princeton_new", engine })).text;
    await assert.rejects(lab.alice.newlease({ ticketdata }), fault("BACKEND_FAILED"));
  }
  assert.ok(lab.lease(await lab.alice.renewlease({ slice })).term.end > made.term.end);
  await lab.alice.deletelease({ slice });
  assert.deepEqual(await lab.alice.getleases(), []);
  await lab.stop();
  await assert.rejects(lab.start(), fault("BACKEND_FAILED"), "nothing is left that its engine could serve");
});

test("agents are told anew when an engine fails or works again", async () => {
  const real = simulatedBackend();
  const other: Backend & { trouble: string | undefined } = {
    ...real,
    statement: { ...real.statement, engine: "docker" },
    trouble: "its daemon is away",
  };
  await using lab = await nodeLab({ engines: [simulatedBackend(), other] });
  await lab.root();
  const told = () => (lab.agent.facts.at(-1) as { engines: string[] }).engines;
  assert.deepEqual(told(), ["simulated"]);
  other.trouble = undefined;
  await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice })).text });
  await eventually(() => told().length === 2, { what: "the agent being told of both" });
  assert.deepEqual(told(), ["simulated", "docker"]);
  const before = lab.agent.facts.length;
  await lab.alice.deletelease({ slice });
  await toldEverything(lab);
  assert.equal(lab.agent.facts.length, before, "and only then");
});

test("an engine is opened as soon as it can be, once for all who wait, and says when it fails again", async () => {
  const told: (string | undefined)[] = [];
  let attempts = 0;
  let able = false;
  const real = simulatedBackend();
  const late = new LateBackend({
    engine: "simulated",
    async open() {
      attempts += 1;
      if (!able) throw new Fault("BACKEND_FAILED", "not yet");
      return real;
    },
    onTrouble: (_engine, trouble) => told.push(trouble),
  });
  await assert.rejects(Promise.all([late.list(), late.list()]), fault("BACKEND_FAILED"));
  assert.deepEqual([attempts, late.trouble, late.statement.images], [1, "not yet", []]);
  const plan = somePlan();
  await assert.rejects(late.ensure(plan), fault("BACKEND_FAILED"));
  assert.equal(attempts, 1, "only what the node asks for by itself tries again");
  able = true;
  assert.deepEqual(await late.list(), []);
  assert.deepEqual([late.trouble, late.statement], [undefined, real.statement]);
  await late.ensure(plan);
  assert.deepEqual(await late.list(), [{ id: plan.id, state: "running" }]);
  real.list = async () => {
    throw new Error("gone");
  };
  await assert.rejects(late.list());
  assert.match(late.trouble!, /can't be used on this machine/);
  assert.deepEqual(
    told.map((trouble) => trouble !== undefined),
    [true, false, true],
  );
});
