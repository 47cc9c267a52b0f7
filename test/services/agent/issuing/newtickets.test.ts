import assert from "node:assert/strict";
import { test } from "node:test";
import { documentId, parseDocument } from "#shared/wire/document.ts";
import { DAY, HOUR, NOW } from "../../../support/documents.ts";
import { agentLab, audited, charges, checkSums, opened, refusal } from "../agent-lab.ts";

const FOUR = { slice: "princeton_dns", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };

test("v0.5's four arguments get a ticket that its node accepts", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  const tickets = await lab.alice.client.newtickets({ ...FOUR, ips: [node.ip] });
  assert.equal(tickets.length, 1);
  const { ticket } = opened(node, tickets[0]!);
  assert.equal(ticket.principal, lab.alice.name);
  assert.equal(ticket.principleSha1, lab.alice.signingKey.public.sha1);
  assert.equal(ticket.slice, "princeton_dns");
  assert.equal(ticket.ip, node.ip);
  assert.deepEqual(ticket.term, { start: NOW, end: NOW + DAY });
  assert.deepEqual(ticket.validity, { start: NOW, end: NOW + HOUR });
  assert.equal(ticket.renewableUntil, NOW + 2 * DAY);
  assert.deepEqual(ticket.resources, { cpuMillis: 100, memoryMib: 128, diskMib: 512, egressKbps: 1000 });
  assert.deepEqual(await charges(lab), [`princeton_dns on ${node.ip}`]);
  await checkSums(lab);
});

test("a ticket's body is in the books, durable and audited, and its signature is not", async () => {
  await using lab = await agentLab();
  const [text] = await lab.alice.client.newtickets(FOUR);
  const rows = await lab.database.rows<{ id: string; body: string }>("select id, body from tickets");
  assert.deepEqual(rows, [{ id: parseDocument(text!).id, body: parseDocument(text!).body.toString() }]);
  assert.equal(documentId(Buffer.from(rows[0]!.body)), rows[0]!.id);
  assert.equal((await audited(lab)).at(-1), "alice newtickets ok");
});

test("numbers that make no sense are refused by number", async () => {
  await using lab = await agentLab();
  const ask = (odd: object) => lab.alice.client.newtickets({ ...FOUR, ...odd } as typeof FOUR);
  for (const ntickets of [-1, 0, 1.5, "3", true, null, 2 ** 40, [1], {}]) {
    const name = ntickets === 2 ** 40 ? "QUOTA" : "MALFORMED";
    await assert.rejects(ask({ ntickets }), refusal(name), `ntickets ${JSON.stringify(ntickets)}`);
  }
  await assert.rejects(ask({ ntickets: 1e9 }), refusal("QUOTA", /1000 nodes/));
  for (const leaselen of [-1, 0, 1.5, "86400"]) await assert.rejects(ask({ leaselen }), refusal("MALFORMED"));
  for (const leaselen of [28 * DAY + 1, 1e12, Number.MAX_SAFE_INTEGER]) {
    await assert.rejects(ask({ leaselen }), refusal("NO_PRIVILEGE", /leases/));
  }
  for (const ips of [[], "10.77.0.1", [1], [["10.77.0.1"]], null]) {
    await assert.rejects(ask({ ips }), refusal("MALFORMED"));
  }
  const sane = { cpu_millis: 0, memory_mib: 1, disk_mib: 1, egress_kbps: 0 };
  for (const memory_mib of [-1, 0.5, 1e12, "1"]) {
    await assert.rejects(ask({ resources: { ...sane, memory_mib } }), refusal("MALFORMED"));
  }
  await assert.rejects(ask({ ports: [{ protocol: "tcp", from: 90, to: 80 }] }), refusal("MALFORMED", /port/));
  await assert.rejects(ask({ surplus: 1 }), refusal("MALFORMED", /surplus/));
  assert.deepEqual(await charges(lab), []);
  assert.equal((await lab.alice.client.newtickets(FOUR)).length, 1);
});

test("a slice's name is checked before anything else happens", async () => {
  await using lab = await agentLab();
  for (const slice of ["../etc", "a\nb", "root", "UPPER", "", "x".repeat(17), "a_b_c", "a;b", "a b", "0a"]) {
    await assert.rejects(lab.alice.client.newtickets({ ...FOUR, slice }), refusal("BAD_NAME"));
  }
  assert.deepEqual(await lab.database.rows("select name from slices"), []);
});

test("a name belongs to the first principal that got tickets for it, and a refused one gets none", async () => {
  await using lab = await agentLab();
  await assert.rejects(
    lab.bob.client.newtickets({ ...FOUR, ips: ["10.9.9.9"] }),
    refusal("NO_CAPACITY", /10.9.9.9 is no node/),
  );
  await lab.alice.client.newtickets(FOUR);
  await assert.rejects(lab.bob.client.newtickets(FOUR), refusal("NOT_PRINCIPAL", /somebody else/));
  assert.equal((await lab.alice.client.newtickets(FOUR)).length, 1);
});

test("of a longer list the first that have room are taken, in its order", async () => {
  await using lab = await agentLab({ nodes: 4, share: { slivers: 1 } });
  const ips = lab.nodes.map(({ ip }) => ip).toReversed();
  const first = await lab.alice.client.newtickets({ ...FOUR, slice: "one", ips });
  const second = await lab.alice.client.newtickets({ ...FOUR, slice: "two", ntickets: 2, ips });
  const ipOf = (text: string) => /<ip>(.*)<\/ip>/.exec(parseDocument(text).body.toString())![1];
  assert.deepEqual(first.map(ipOf), ips.slice(0, 1));
  assert.deepEqual(second.map(ipOf), ips.slice(1, 3));
});

test("an address counts once, however often it is named", async () => {
  await using lab = await agentLab();
  const [{ ip }] = lab.nodes;
  await assert.rejects(
    lab.alice.client.newtickets({ ...FOUR, ntickets: 2, ips: [ip, ip] }),
    refusal("MALFORMED", /names 1 nodes/),
  );
});

test("all or nothing: what does not fit is explained, and nothing is counted", async () => {
  await using lab = await agentLab({ nodes: 3, share: { memoryMib: 200 } });
  const [small] = lab.nodes;
  await lab.alice.client.newtickets({ ...FOUR, slice: "first", ips: [small.ip] });
  const before = await charges(lab);
  await assert.rejects(
    lab.alice.client.newtickets({ ...FOUR, ntickets: 3, ips: lab.nodes.map(({ ip }) => ip) }),
    refusal(
      "NO_CAPACITY",
      /^2 of 3 nodes fit: 10\.77\.0\.1 has 72 of 128 MiB of memory left under holding [0-9a-f]{12}/,
    ),
  );
  assert.deepEqual(await charges(lab), before);
  assert.deepEqual(await lab.database.rows("select name from slices"), [{ name: "first" }]);
  await checkSums(lab);
});

test("any node: the least used of those that are live, never one the slice is on already", async () => {
  await using lab = await agentLab({ nodes: 3 });
  const [one, two, three] = lab.nodes.map(({ ip }) => ip) as [string, string, string];
  await lab.alice.client.newtickets({ ...FOUR, slice: "busy", ips: [one] });
  await lab.alice.client.newtickets({ ...FOUR, slice: "busier", ntickets: 2, ips: [one, two] });
  await lab.alice.client.newtickets({ ...FOUR, slice: "mine" });
  assert.ok((await charges(lab)).includes(`mine on ${three}`));
  await lab.alice.client.newtickets({ ...FOUR, slice: "mine", ntickets: 2 });
  assert.deepEqual((await charges(lab)).filter((c) => c.startsWith("mine")).length, 3);
  await assert.rejects(
    lab.alice.client.newtickets({ ...FOUR, slice: "mine" }),
    refusal("NO_CAPACITY", /has the slice already/),
  );
  assert.equal((await lab.alice.client.newtickets({ ...FOUR, slice: "mine", ips: [one] })).length, 1);
});

test("a node that fell silent is not chosen, but can be named", async () => {
  await using lab = await agentLab();
  const [awake, silent] = lab.nodes;
  lab.clock.advance(91);
  await awake.client.settletickets({});
  await lab.alice.client.newtickets(FOUR);
  assert.deepEqual(await charges(lab), [`princeton_dns on ${awake.ip}`]);
  await assert.rejects(
    lab.alice.client.newtickets({ ...FOUR, slice: "two", ntickets: 2 }),
    refusal("NO_CAPACITY", /not been heard for 90 s/),
  );
  assert.equal((await lab.alice.client.newtickets({ ...FOUR, ips: [silent.ip] })).length, 1);
});

test("a suspended node gets no tickets, a suspended principal neither", async () => {
  await using lab = await agentLab();
  const [one, two] = lab.nodes;
  await lab.registry.suspend("node0", true);
  await assert.rejects(
    lab.alice.client.newtickets({ ...FOUR, ips: [one.ip] }),
    refusal("NO_CAPACITY", /suspended/),
  );
  await lab.registry.suspend("alice", true);
  await assert.rejects(lab.alice.client.newtickets({ ...FOUR, ips: [two.ip] }), refusal("SUSPENDED"));
  await lab.registry.suspend("alice", false);
  assert.equal((await lab.alice.client.newtickets({ ...FOUR, ips: [two.ip] })).length, 1);
});

test("a certificate of the authority alone is no privilege", async () => {
  await using lab = await agentLab();
  const stranger = lab.client(await lab.authority.client("carol"));
  await assert.rejects(stranger.newtickets(FOUR), refusal("NOT_PRINCIPAL", /does not know your key/));
  const expired = lab.client(await lab.authority.expired("dave"));
  await assert.rejects(expired.newtickets(FOUR), refusal("CERTIFICATE_EXPIRED"));
  const foreign = lab.client(await lab.authority.foreign("eve"));
  await assert.rejects(foreign.newtickets(FOUR), refusal("FOREIGN_CERTIFICATE"));
  const [node] = lab.nodes;
  await assert.rejects(node.client.newtickets(FOUR), refusal("NO_PRIVILEGE", /no privilege/));
  await assert.rejects(lab.plainClient().newtickets(FOUR), refusal("NO_CERTIFICATE"));
});

test("a ticket is never beyond its holding: term, renewal, ports, engine, ceilings, prefix", async () => {
  await using lab = await agentLab({ deposited: false });
  const [node] = lab.nodes;
  const term = { start: NOW - HOUR, end: NOW + 3 * DAY };
  await node.deposit(
    node.root({
      term,
      validity: { start: NOW - HOUR, end: NOW + 1800 },
      engine: "simulated",
      ceilings: { cpuMillis: 500 },
      slicePrefix: "princeton",
      ports: [{ protocol: "tcp", from: 8000, to: 8099 }],
    }),
  );
  const ask = (more: object) => lab.alice.client.newtickets({ ...FOUR, ips: [node.ip], ...more });
  const [text] = await ask({ leaselen: 2 * DAY, ports: [{ protocol: "tcp", from: 8080, to: 8081 }] });
  const { ticket } = opened(node, text!);
  assert.equal(ticket.renewableUntil, term.end);
  assert.equal(ticket.validity.end, NOW + 1800);
  assert.equal(ticket.engine, "simulated");
  assert.deepEqual(ticket.ceilings, { cpuMillis: 500 });
  assert.equal(
    opened(node, (await ask({ ceilings: { cpu_millis: 200 } }))[0]!).ticket.ceilings.cpuMillis,
    200,
  );
  const port = (protocol: "tcp" | "udp", from: number, to: number) => ({ ports: [{ protocol, from, to }] });
  for (const [beyond, reason] of [
    [{ leaselen: 4 * DAY }, /is held for 3 days more, not for 4 days; ask for a lease of at most 3 days$/],
    [port("udp", 8080, 8081), /is not held with udp 8080-8081; ask for other ports$/],
    [port("tcp", 8090, 8100), /is not held with tcp 8100; ask for other ports$/],
    [{ engine: "container" as const }, /does not run container; ask for another engine$/],
    [{ image: "other" }, /does not have the image other; ask for another image$/],
    [
      { ceilings: { cpu_millis: 501 } },
      /not held for a ceiling of 501 thousandths of a core; ask for lower ceilings$/,
    ],
    [{ slice: "cornell_dns" }, /is not held for a slice named cornell_dns/],
    [{ slice: "princetonx" }, /is not held for a slice named princetonx/],
  ] as const) {
    await assert.rejects(ask(beyond as object), refusal("NO_CAPACITY", reason), JSON.stringify(beyond));
  }
  lab.clock.advance(1800);
  await assert.rejects(
    ask({}),
    refusal("NO_CAPACITY", /is not held by this agent now/),
    "the holding is not valid any more",
  );
});

test("ports are one slice's at a time, whatever room there is, and free again with its ticket", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  const ports = [{ protocol: "tcp" as const, from: 8080, to: 8090 }];
  const ask = (slice: string, from: number) =>
    lab.alice.client.newtickets({
      ...FOUR,
      slice,
      ips: [node.ip],
      ports: [{ protocol: "tcp", from, to: from }],
    });
  const [first] = await lab.alice.client.newtickets({ ...FOUR, ips: [node.ip], ports });
  await assert.rejects(ask("two", 8090), refusal("NO_CAPACITY", /port/));
  assert.equal((await ask("two", 8091)).length, 1);
  await node.client.settletickets({ unredeemed: [parseDocument(first!).id] });
  assert.equal((await ask("three", 8085)).length, 1);
});

test("what ended by time makes room, though nobody has said a word", async () => {
  await using lab = await agentLab({ share: { slivers: 1 } });
  const [{ ip }] = lab.nodes;
  const ask = (slice: string) => lab.alice.client.newtickets({ ...FOUR, slice, leaselen: 600, ips: [ip] });
  await ask("one");
  lab.clock.advance(1199);
  await assert.rejects(ask("two"), refusal("NO_CAPACITY"));
  lab.clock.advance(1);
  assert.equal((await ask("two")).length, 1);
});

test("overbooking is counted and said", async () => {
  await using lab = await agentLab({ share: { slivers: 2 }, config: { overbooking: 1500 } });
  const [node] = lab.nodes;
  for (const slice of ["one", "two", "three"]) {
    const [text] = await lab.alice.client.newtickets({ ...FOUR, slice, ips: [node.ip] });
    assert.equal(opened(node, text!).ticket.overbooking, 1500);
  }
  await assert.rejects(
    lab.alice.client.newtickets({ ...FOUR, slice: "four", ips: [node.ip] }),
    refusal("NO_CAPACITY", /0 of 1 slivers left/),
  );
});
