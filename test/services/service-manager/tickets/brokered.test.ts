import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readSlice } from "#services/service-manager/journal/slice-state.ts";
import { Fault } from "#shared/model/errors.ts";
import { plainDescription } from "#shared/model/slice-description.ts";
import type { AcquisitionStruct } from "#shared/wire/broker-api.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { eventually } from "#test/support/deadline.ts";
import { assertExactly, nodesOf } from "../exactness.ts";
import { changeConfig, configureBroker, labBroker, readConfig } from "../lab-broker.ts";
import { type SliceLab, sliceLab } from "../slice-lab.ts";

const PASSED_OVER = /broker .* is passed over/;

async function openRequests(lab: SliceLab, slice: string) {
  return (await readSlice(lab.home, slice))?.record.requests ?? [];
}

/** Creates a slice of two on the lab, and asserts that it is exactly that everywhere, and nothing is in doubt. */
async function createsExactly(lab: SliceLab, slice: string, ...more: string[]): Promise<string> {
  const { code, err } = await lab.slice("create", slice, "--nodes", "2", ...more);
  assert.equal(code, 0, err);
  assert.deepEqual(await openRequests(lab, slice), []);
  await assertExactly(lab, slice, 2);
  return err;
}

describe("with a broker", () => {
  test("a slice is created, repaired, renewed and deleted", async () => {
    await using lab = await sliceLab({ nodes: 4 });
    await using broker = await labBroker(lab);
    const err = await createsExactly(lab, "hello");
    assert.doesNotMatch(err, PASSED_OVER);
    assert.equal(broker.asked.length, 1);
    const [gone] = await nodesOf(lab, "hello");
    const held: string[][] = [];
    broker.conduct = async (honestly, { holds, avoid }) => {
      held.push([...holds], [...avoid]);
      return await honestly();
    };
    await gone!.stop();
    const repaired = await lab.slice("repair", "hello", "--deadline", "2s");
    assert.equal(repaired.code, 0, repaired.err);
    const [holds, avoid] = held;
    assert.equal(holds?.length, 1, "the broker is told which node the slice has");
    assert.deepEqual(avoid, [gone!.name], "and which one is out of the question");
    await gone!.start();
    assert.equal((await lab.slice("repair", "hello")).code, 0);
    await assertExactly(lab, "hello", 2);
    const asked = broker.asked.length;
    const renewed = await lab.slice("renew", "hello", "--for", "5d");
    assert.equal(renewed.code, 0, renewed.err);
    assert.equal(broker.asked.length, asked, "tickets for the same nodes come from their agents");
    assert.equal((await lab.slice("delete", "hello")).code, 0);
    await assertExactly(lab, "hello", 0);
  });

  test("a plan is the broker's, and where it is away our own", async () => {
    await using lab = await sliceLab({ nodes: 4 });
    await using broker = await labBroker(lab);
    const plan = (nodes: string) => lab.slice("plan", "hello", "--nodes", nodes);
    const planned = await plan("2");
    assert.equal(planned.code, 0, planned.err);
    assert.deepEqual([...planned.out.matchAll(/chosen|refused/g)].map(String).sort(), [
      "chosen",
      "chosen",
      "refused",
    ]);
    assert.match(planned.err, /1 more would do as well[\s\S]*1 more would not do[\s\S]*2 of 2 nodes/);
    const short = await plan("4");
    assert.equal(short.code, 6);
    assert.match(short.err, /3 of the 4 nodes needed fit: 2 nodes are not liked here; ask for fewer/);
    await broker.kill();
    const own = await plan("4");
    assert.equal(own.code, 0, own.err);
    assert.match(own.err, PASSED_OVER);
    assert.deepEqual(broker.asked, []);
  });

  test("its standby tickets take the place of nodes that fail, and the rest are given back", async () => {
    await using lab = await sliceLab({ nodes: 4 });
    await using broker = await labBroker(lab);
    const file = join(lab.files, "hello.xml");
    const nodes = { count: 2, atleast: 2, standby: 2 };
    await writeFile(file, writeSliceDescription({ ...plainDescription("hello", 2), nodes }));
    // Whichever is chosen first has no room: its own word, which only redeeming a ticket brings out.
    const [first] = (await broker.agent.getads({ limit: 1 })).filter((ad) => typeof ad !== "string");
    const full = lab.nodes.find(({ name }) => name === first!.node)!;
    full.backend.ensure = async () => {
      throw new Fault("NO_CAPACITY", "the disk is full");
    };
    const { code, err } = await lab.slice("create", file);
    assert.equal(code, 0, err);
    assert.equal(broker.asked.length, 1, "nobody had to be asked again");
    await lab.agent.scan(); // on a busy machine, a node may not have answered it at once
    await assertExactly(lab, "hello", 2);
  });

  test("an agent that hangs is not named, and holds nobody up", async () => {
    await using lab = await sliceLab({ nodes: 2 });
    await using broker = await labBroker(lab);
    const sockets = new Set<Socket>();
    const hanging = createServer((socket) => sockets.add(socket)).listen(0, "127.0.0.1");
    await once(hanging, "listening");
    const { port } = hanging.address() as AddressInfo;
    const [agent] = (await readConfig(lab)).agents as object[];
    await changeConfig(lab, {
      agents: [agent!, { url: `https://127.0.0.1:${port}/RPC2`, identity: "e".repeat(64) }],
    });
    broker.conduct = async (honestly, { request }) => {
      assert.equal(request.agents.length, 1);
      return await honestly();
    };
    const begin = performance.now();
    assert.doesNotMatch(await createsExactly(lab, "hello", "--deadline", "20s"), PASSED_OVER);
    assert.ok(performance.now() - begin < 19_000, "a fifth of the deadline, not all of it");
    for (const socket of sockets) socket.destroy();
    hanging.close();
  });

  test("what it refuses is told, and leaves nothing", async () => {
    await using lab = await sliceLab({ nodes: 2 });
    await using broker = await labBroker(lab);
    const { code, err } = await lab.slice("create", "hello", "--nodes", "3");
    assert.equal(code, 6, err);
    assert.match(err, /NO_CAPACITY: 2 of the 3 nodes needed fit: the lab is small/);
    assert.doesNotMatch(err, PASSED_OVER);
    assert.equal(await readSlice(lab.home, "hello"), undefined);
    assert.equal(broker.asked.length, 1);
    assert.deepEqual(await lab.charges(), []);
  });
});

describe("a broker that cannot be used is passed over, and the slice is made all the same", () => {
  test("away, another one at its address, or one that asks other agents", async () => {
    await using lab = await sliceLab({ nodes: 3 });
    await using broker = await labBroker(lab);
    await configureBroker(lab, { url: broker.url, identity: "f".repeat(64) });
    assert.match(await createsExactly(lab, "another"), PASSED_OVER);
    await configureBroker(lab, { url: lab.agent.announce.tls, identity: lab.agent.announce.agent });
    assert.match(await createsExactly(lab, "noagent"), PASSED_OVER);
    await configureBroker(lab, { url: broker.url, identity: broker.name });
    await broker.kill();
    assert.match(await createsExactly(lab, "away"), PASSED_OVER);
    assert.deepEqual(broker.asked, []);
  });

  test("dying with tickets in its hands: they are used, not doubled", async () => {
    await using lab = await sliceLab({ nodes: 4 });
    await using broker = await labBroker(lab);
    broker.conduct = async (honestly) => {
      const answer = await honestly();
      await broker.kill();
      return answer;
    };
    assert.match(await createsExactly(lab, "hello"), PASSED_OVER);
    const issued = await lab.database.rows("select from tickets");
    assert.equal(issued.length, 2, "no other tickets were needed");
  });

  test("dying before it got any: its request is closed, whoever comes back with it", async () => {
    await using lab = await sliceLab({ nodes: 4 });
    await using broker = await labBroker(lab);
    let request = "";
    broker.conduct = async (_, { text }) => {
      request = text;
      await broker.kill();
      throw new Fault("BUSY", "dying");
    };
    assert.match(await createsExactly(lab, "hello"), PASSED_OVER);
    await assert.rejects(broker.agent.gettickets({ request }), { name: "ALREADY_REDEEMED" });
  });
});

const other = (digits: string) => (text: string) => text.replace(/[0-9a-f]/g, digits);
const second = <T>([a, , ...rest]: readonly T[]): T[] => [a!, a!, ...rest];

/** Everything a broker can answer instead of what it should. */
const LIES: readonly [string, (answer: AcquisitionStruct) => AcquisitionStruct][] = [
  ["keeps a ticket to itself", (a) => ({ ...a, tickets: a.tickets.slice(1) })],
  ["keeps all tickets to itself", (a) => ({ ...a, tickets: [] })],
  ["tells one ticket twice", (a) => ({ ...a, tickets: second(a.tickets) })],
  ["tells more tickets than were asked for", (a) => ({ ...a, tickets: [...a.tickets, ...a.tickets] })],
  ["calls tickets standbys", (a) => ({ ...a, tickets: a.tickets.slice(1), standby: a.tickets.slice(0, 1) })],
  ["alters a ticket", (a) => ({ ...a, tickets: a.tickets.map((t) => t.replace("<splits>0", "<splits>1")) })],
  ["answers with no tickets at all but text", (a) => ({ ...a, tickets: ["x", "y"] })],
  ["says nothing of where its nodes are", ({ specification: _, ...a }) => a],
  [
    "names other nodes than its tickets",
    (a) => ({
      ...a,
      specification: {
        ...a.specification!,
        chosen: a.specification!.chosen.map((c) => ({ ...c, ip: "127.0.7.99" })),
      },
    }),
  ],
  [
    "names another agent",
    (a) => ({
      ...a,
      specification: {
        ...a.specification!,
        chosen: a.specification!.chosen.map((c) => ({ ...c, agent: other("e")(c.agent) })),
      },
    }),
  ],
  ["tells of another acquisition", (a) => ({ ...a, id: other("d")(a.id) })],
  ["fails and does not say why", (a) => ({ ...a, state: "failed", tickets: [] })],
  [
    "fails with a fault nobody knows",
    (a) => ({ ...a, state: "failed", fault: { code: 9999, name: "ODD", sentence: "x\u001b[2J" } }),
  ],
  ["says that there is no capacity, with tickets in its hands", lackingCapacity],
  ["answers 20 MB", (a) => ({ ...a, progress: "x".repeat(20_000_000) })],
];

function lackingCapacity(answer: AcquisitionStruct): AcquisitionStruct {
  const fault = { code: 500, name: "NO_CAPACITY", sentence: "nothing is free; ask again" };
  return { ...answer, state: "failed", tickets: [], fault };
}

test("a broker that lies changes nothing: exactly what was asked for is there, and nothing of its hoard is left", async () => {
  await using lab = await sliceLab({ nodes: 4 });
  await using broker = await labBroker(lab);
  broker.conduct = async (honestly, { request }) => {
    const [, lie] = LIES[Number(request.description.name.replace("lied", ""))]!;
    return lie(await honestly());
  };
  const tries = LIES.map(async ([what], at) => {
    try {
      await createsExactly(lab, `lied${at}`);
      assert.equal((await lab.slice("delete", `lied${at}`)).code, 0);
    } catch (cause) {
      throw new Error(`one that ${what}`, { cause });
    }
  });
  await Promise.all(tries);
  await eventually(async () => (await lab.charges()).length === 0, { what: "no ticket being left anywhere" });
});

test("tickets of another slice, or of an earlier request, are not taken for those asked for", async () => {
  await using lab = await sliceLab({ nodes: 4 });
  await using broker = await labBroker(lab);
  const earlier: AcquisitionStruct[] = [];
  broker.conduct = async (honestly) => {
    earlier.push(await honestly());
    return earlier.at(-1)!;
  };
  await createsExactly(lab, "one");
  broker.conduct = async (honestly) => {
    const { id } = await honestly();
    return { ...earlier[0]!, id };
  };
  assert.match(await createsExactly(lab, "two"), PASSED_OVER);
});

test("a broker that hangs, or never comes further, is waited for no longer than its deadline allows", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  await using broker = await labBroker(lab);
  const { promise: never } = Promise.withResolvers<AcquisitionStruct>();
  broker.conduct = async (honestly) => {
    await honestly();
    return await never;
  };
  assert.match(await createsExactly(lab, "hanging", "--deadline", "2s"), PASSED_OVER);
  broker.conduct = async (honestly) => ({ ...(await honestly()), state: "working", tickets: [] });
  assert.match(await createsExactly(lab, "working", "--deadline", "2s"), /has told nothing new/);
});

test("with broker and agent gone in mid-request, the next command settles what was granted", async () => {
  await using lab = await sliceLab({ nodes: 4 });
  for (const [slice, next, left] of [
    ["created", ["create", "created"], 2],
    ["deleted", ["delete", "deleted"], 0],
  ] as const) {
    await using broker = await labBroker(lab);
    broker.conduct = async (honestly) => {
      const answer = await honestly();
      await lab.stopAgent();
      await broker.kill();
      return answer;
    };
    const { code, err } = await lab.slice("create", slice, "--nodes", "2", "--deadline", "2s");
    assert.notEqual(code, 0, err);
    assert.equal((await openRequests(lab, slice)).length, 1, err);
    await lab.startAgent();
    await configureBroker(lab, undefined);
    const settled = await lab.slice(...next);
    assert.equal(settled.code, 0, settled.err);
    assert.deepEqual(await openRequests(lab, slice), []);
    await assertExactly(lab, slice, left);
  }
});
