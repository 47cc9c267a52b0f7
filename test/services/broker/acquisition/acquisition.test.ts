import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Acquisition,
  acquire,
  advertised,
  countedTime,
} from "#services/broker/acquisition/acquisition.ts";
import {
  type Ask,
  type AskBook,
  type GrantedTicket,
  makeAsk,
  type TicketAgent,
} from "#services/broker/acquisition/ask.ts";
import type { Advertisement } from "#services/broker/matching/specification.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { Fault } from "#shared/model/errors.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import {
  KEYS,
  NOW,
  type SliceTicketOverrides,
  sealedRoot,
  sealedSliceTicket,
  serial,
} from "#test/support/documents.ts";
import { advertisement, description, nodeName, SMALL } from "../advertisements.ts";

/** An agent in memory: it grants what its nodes have room for, in the order asked, like a real one. */
class TestAgent implements TicketAgent {
  readonly name: string;
  readonly asks: { readonly description: SliceDescription; readonly ask: Ask }[] = [];
  /** Nodes that turn out to be full when they are asked for, whatever was advertised. */
  readonly full = new Set<string>();
  readonly nodes: readonly number[];
  key: SigningKey = KEYS.agent;
  silent: Error | undefined;
  refusal: Error | undefined;
  /** What every ticket says instead of the truth. */
  lies: SliceTicketOverrides = {};
  #serials = 0;

  constructor(name: string, nodes: readonly number[]) {
    this.name = name;
    this.nodes = nodes;
  }

  async ticketKeys() {
    return [KEYS.agent.public];
  }

  async advertisements(): Promise<Advertisement[]> {
    if (this.silent) throw this.silent;
    return this.nodes.map((n) => advertisement(n, { agent: this.name }));
  }

  async tickets(asked: SliceDescription, ask: Ask): Promise<string[]> {
    this.asks.push({ description: asked, ask });
    if (this.refusal) throw this.refusal;
    const fit = ask.nodes.filter(({ node }) => !this.full.has(node)).slice(0, asked.nodes.count);
    if (fit.length < asked.nodes.atleast) throw new Fault("NO_CAPACITY", "too few nodes fit");
    return fit.map(({ node, ip }) => {
      this.#serials += 1;
      const truth = { node, ip, slice: asked.name, resources: SMALL, serial: serial(this.#serials) };
      return sealedSliceTicket(sealedRoot({ to: this.key }), { ...truth, ...this.lies }).text;
    });
  }
}

/** Writes down what happens, in order. */
class TestBook implements AskBook {
  readonly open_: Ask[] = [];
  readonly tickets: GrantedTicket[] = [];
  readonly events: string[] = [];

  async open(drafts: readonly Omit<Ask, "requestId">[]): Promise<Ask[]> {
    const asks = drafts.map((draft, at) => ({ ...draft, requestId: `ask-${this.events.length}-${at}` }));
    this.open_.push(...asks);
    this.events.push(...asks.map(({ agent }) => `open ${agent}`));
    return asks;
  }

  async granted(ask: Ask, tickets: readonly GrantedTicket[]): Promise<void> {
    this.events.push(`granted ${ask.agent} ${tickets.length}`);
    this.tickets.push(...tickets);
    this.#close(ask);
  }

  async refused(ask: Ask): Promise<void> {
    this.events.push(`refused ${ask.agent}`);
    this.#close(ask);
  }

  #close({ requestId }: Ask): void {
    this.open_.splice(
      this.open_.findIndex((ask) => ask.requestId === requestId),
      1,
    );
  }
}

function acquisition(wanted: number, overrides: Partial<Acquisition> = {}): Acquisition {
  return {
    description: description(wanted),
    principal: KEYS.alice.public.name,
    resources: SMALL,
    wanted,
    atleast: wanted,
    standby: 0,
    ruledOut: new Map(),
    held: [],
    ...overrides,
  };
}

const nodesOf = (book: TestBook) => book.tickets.map(({ ticket }) => ticket.node).sort();
const named = (name: string) => (error: Error) => error.name === name;

test("an ask is written down before it is made, and its tickets before anything else is done", async () => {
  const [agent, book] = [new TestAgent("one", [1, 2, 3]), new TestBook()];
  const { granted } = await acquire(acquisition(2), [agent], book, NOW);
  assert.equal(granted, 2);
  assert.deepEqual(book.events, ["open one", "granted one 2"]);
  assert.deepEqual(book.open_, []);
});

test("an agent is told the needs and the nodes in order of preference, and nothing of the program", async () => {
  const [agent, book] = [new TestAgent("one", [1, 2, 3]), new TestBook()];
  const program = { files: [], env: [], command: "secret", args: [], restart: "never" } as const;
  const wish = acquisition(1, { description: description(1, { program, leaseSeconds: 7200 }), standby: 1 });
  await acquire(wish, [agent], book, NOW);
  const [{ description: asked, ask }] = agent.asks as [(typeof agent.asks)[number]];
  assert.equal(asked.program, undefined);
  assert.deepEqual(asked.nodes, { count: 2, atleast: 1, standby: 0 });
  assert.equal(asked.leaseSeconds, 7200);
  assert.deepEqual(
    ask.nodes.map(({ node }) => node),
    [1, 2, 3].map(nodeName),
    "spare ones last",
  );
  assert.equal(book.tickets.length, 2, "the standby's ticket too");
});

test("a node that filled up meanwhile is passed over for a spare one, in the same ask", async () => {
  const [agent, book] = [new TestAgent("one", [1, 2, 3]), new TestBook()];
  agent.full.add(nodeName(1));
  assert.equal((await acquire(acquisition(2), [agent], book, NOW)).granted, 2);
  assert.deepEqual(nodesOf(book), [2, 3].map(nodeName));
  assert.equal(agent.asks.length, 1);
});

test("what one agent lacks another one gives", async () => {
  const [one, two, book] = [new TestAgent("one", [1, 2]), new TestAgent("two", [3, 4, 5]), new TestBook()];
  for (const node of one.nodes) one.full.add(nodeName(node));
  const { granted, failures } = await acquire(acquisition(3), [one, two], book, NOW);
  assert.equal(granted, 3);
  assert.deepEqual(nodesOf(book), [3, 4, 5].map(nodeName));
  assert.deepEqual(
    failures.map(({ name }) => name),
    ["NO_CAPACITY"],
  );
});

test("too few nodes that fit: nothing is asked for, and the reasons are told", async () => {
  const [agent, book] = [new TestAgent("one", [1]), new TestBook()];
  const ruledOut = new Map([[nodeName(1), "has the slice"]]);
  await assert.rejects(acquire(acquisition(1, { ruledOut }), [agent], book, NOW), (error: Fault) => {
    assert.equal(error.name, "NO_CAPACITY");
    assert.match(error.sentence, /0 of the 1 nodes needed fit: 10\.77\.0\.1 has the slice/);
    return true;
  });
  assert.deepEqual([agent.asks.length, book.events.length], [0, 0]);
});

test("fewer than wanted are taken when they are as many as needed", async () => {
  const [agent, book] = [new TestAgent("one", [1, 2]), new TestBook()];
  const { granted } = await acquire(acquisition(5, { atleast: 2 }), [agent], book, NOW);
  assert.equal(granted, 2);
});

test("a refusal closes the ask and is thrown when nothing was granted", async () => {
  const [agent, book] = [new TestAgent("one", [1, 2]), new TestBook()];
  agent.refusal = new Fault("NO_PRIVILEGE", "ask your administrator");
  await assert.rejects(acquire(acquisition(1), [agent], book, NOW), named("NO_PRIVILEGE"));
  assert.deepEqual(book.events.slice(0, 2), ["open one", "refused one"]);
  assert.deepEqual(book.open_, []);
});

test("an ask whose answer was lost stays open, and made again gets its tickets", async () => {
  const [agent, book] = [new TestAgent("one", [1, 2]), new TestBook()];
  agent.refusal = new TransportError("timeout", "one did not answer");
  await assert.rejects(acquire(acquisition(1), [agent], book, NOW), named("TransportError"));
  assert.equal(book.open_.length, 1, "and nothing else is asked for meanwhile");
  const [ask] = book.open_ as [Ask];
  agent.refusal = new Fault("STORE_DOWN", "nobody knows what was stored");
  await assert.rejects(makeAsk(ask, acquisition(1), [agent], book), named("STORE_DOWN"));
  assert.ok(book.open_.includes(ask), "such a fault settles nothing either");
  agent.refusal = undefined;
  await makeAsk(ask, acquisition(1), [agent], book);
  assert.ok(!book.open_.includes(ask));
  assert.equal(book.tickets.length, 1);
});

const LIES: readonly (readonly [string, SliceTicketOverrides])[] = [
  ["another slice", { slice: "elsewhere" }],
  ["another principal", { to: KEYS.bob, principal: KEYS.bob.public.name }],
  ["a node that was not asked for", { node: KEYS.node.public.name }],
  ["another address of the node", { ip: "169.254.169.254" }],
  ["less memory", { resources: { ...SMALL, memoryMib: SMALL.memoryMib - 1 } }],
  ["less of a core", { resources: { ...SMALL, cpuMillis: SMALL.cpuMillis - 1 } }],
];

for (const [what, lies] of LIES) {
  test(`tickets for ${what} are not taken`, async () => {
    const [agent, book] = [new TestAgent("one", [1, 2]), new TestBook()];
    agent.lies = lies;
    await assert.rejects(acquire(acquisition(1), [agent], book, NOW), named("BAD_CHAIN"));
    assert.deepEqual(book.tickets, []);
  });
}

test("tickets that another key than the agent's signed are not taken", async () => {
  const [agent, book] = [new TestAgent("one", [1]), new TestBook()];
  agent.key = KEYS.branch;
  await assert.rejects(acquire(acquisition(1), [agent], book, NOW), named("UNKNOWN_KEY"));
  assert.deepEqual(book.tickets, []);
});

test("an agent that is silent is passed over while another one answers", async () => {
  const [one, two] = [new TestAgent("one", [1]), new TestAgent("two", [2])];
  one.silent = new TransportError("refused", "one cannot be reached");
  const { ads, failures } = await advertised([one, two], countedTime(3600, NOW));
  assert.deepEqual([ads.length, failures.length], [1, 1]);
  two.silent = new TransportError("timeout", "two did not answer");
  await assert.rejects(advertised([one, two], countedTime(3600, NOW)), /one cannot be reached/);
});

test("a defect of ours is not taken for a failure of theirs", async () => {
  const agent = new TestAgent("one", [1]);
  agent.silent = new TypeError("a defect");
  await assert.rejects(advertised([agent, new TestAgent("two", [2])], countedTime(3600, NOW)), TypeError);
});

test("a sliver is counted for twice the length of its lease", () => {
  assert.deepEqual(countedTime(3600, NOW), { start: NOW, end: NOW + 7200 });
});
