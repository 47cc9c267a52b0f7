import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { plainDescription, type SliceDescription } from "#shared/model/slice-description.ts";
import { CLOCK_SLACK } from "#shared/model/time.ts";
import { parseDocument } from "#shared/wire/document.ts";
import {
  describedRequest,
  MAX_REQUEST_SECONDS,
  type RequestTerms,
  writeRequest,
} from "#shared/wire/request-document.ts";
import { eventually } from "../../../support/deadline.ts";
import { DAY, HOUR, NOW, sealBody } from "../../../support/documents.ts";
import { audited, charges, checkSums, lockWaits, opened, refusal } from "../agent-lab.ts";
import { FACTS } from "../facts.ts";
import { outcomes, type RequestLab, requestLab, requestOf } from "../request-lab.ts";
import { standingNode } from "../standing-node.ts";

describe("a broker that presents a request", () => {
  test("gets tickets that name the principal who signed it, standbys included, and can redeem none", async () => {
    await using lab = await requestLab();
    const tickets = await lab.broker.client.gettickets({ request: lab.request() });
    assert.equal(tickets.length, 4);
    for (const text of tickets) {
      const node = lab.nodes.find(({ ip }) => text.includes(`<ip>${ip}</ip>`))!;
      const { ticket } = opened(node, text);
      assert.equal(ticket.principal, lab.alice.name);
      assert.equal(ticket.slice, "oceanstore");
    }
    assert.deepEqual(
      (await lab.alice.client.gettickets()).map((text) => parseDocument(text).id).toSorted(),
      tickets.map((text) => parseDocument(text).id).toSorted(),
    );
    const entries = await audited(lab);
    assert.ok(entries.includes("alice gettickets ok"));
    assert.ok(
      entries.includes(`${lab.broker.name} gettickets ok`),
      "the broker's call is audited in its name",
    );
    await checkSums(lab);
  });

  test("gets them part by part, on the nodes it names, until all are issued", async () => {
    await using lab = await requestLab();
    const request = lab.request();
    const ask = (more: object) => lab.broker.client.gettickets({ request, ...more });
    const [one, two, three] = lab.nodes;
    assert.equal((await ask({ nodes: [one.name], count: 1, atleast: 1 })).length, 1);
    assert.equal((await ask({ ips: [one.ip, two.ip, three!.ip], count: 3, atleast: 1 })).length, 2);
    await assert.rejects(ask({ count: 3, atleast: 2 }), refusal("ALREADY_REDEEMED", /leaves 1/));
    assert.equal((await ask({})).length, 1);
    await assert.rejects(
      ask({}),
      refusal("ALREADY_REDEEMED", /of the 4 tickets of this request 4 were issued/),
    );
    await assert.rejects(ask({ count: 1, atleast: 2 }), refusal("MALFORMED", /atleast is 2/));
    assert.equal((await charges(lab)).length, 4);
  });

  test("gets no more for tickets that were given back", async () => {
    await using lab = await requestLab();
    const request = lab.request();
    const tickets = await lab.broker.client.gettickets({ request });
    await lab.broker.client.releasetickets({ tickets });
    await assert.rejects(lab.broker.client.gettickets({ request }), refusal("ALREADY_REDEEMED"));
  });

  test("gets the stored answer for the same request_id, which another principal's is not", async () => {
    await using lab = await requestLab();
    const request = lab.request();
    const ask = { request, count: 2, request_id: "once" };
    const first = await lab.broker.client.gettickets(ask);
    lab.clock.advance(HOUR + CLOCK_SLACK);
    assert.deepEqual(await lab.broker.client.gettickets(ask), first, "also after the request ended");
    lab.clock.advance(-HOUR - CLOCK_SLACK);
    await assert.rejects(lab.broker.client.gettickets({ ...ask, count: 1 }), refusal("MALFORMED", /other/));
    const bobs = lab.request({}, { name: "bobs" }, lab.bob);
    assert.equal((await lab.broker.client.gettickets({ request: bobs, request_id: "once" })).length, 4);
    await assert.rejects(lab.rival.client.gettickets(ask), refusal("NOT_PRINCIPAL"));
    assert.equal((await charges(lab)).length, 6);
  });
});

test("64 calls at once, of one broker and of two agents' worth, never get more than is described", async () => {
  await using lab = await requestLab();
  await using sibling = await lab.sibling();
  const request = lab.request();
  const clients = [lab.broker.client, sibling.client(lab.broker)];
  const calls = Array.from({ length: 64 }, (_, at) =>
    clients[at % 2]!.gettickets({ request, count: 1, atleast: 1 }),
  );
  const { issued, faults } = await outcomes(calls);
  assert.equal(issued.length, 4);
  assert.deepEqual(faults, ["ALREADY_REDEEMED"]);
  assert.equal((await charges(lab)).length, 4);
  await checkSums(lab);
});

test("64 calls at once for all there is get it once", async () => {
  await using lab = await requestLab();
  const request = lab.request();
  const { issued, faults } = await outcomes(
    Array.from({ length: 64 }, () => lab.broker.client.gettickets({ request })),
  );
  assert.equal(issued.length, 4);
  assert.deepEqual(faults, ["ALREADY_REDEEMED"]);
});

test("a request that is refused uses nothing of it up", async () => {
  await using lab = await requestLab({ share: { slivers: 1 } });
  const ips = lab.nodes.map(({ ip }) => ip);
  await lab.bob.client.newtickets({ slice: "full", ntickets: 5, leaselen: DAY, ips: ips.slice(1) });
  const request = lab.request();
  await assert.rejects(lab.broker.client.gettickets({ request }), refusal("NO_CAPACITY", /^1 of 2/));
  assert.deepEqual(await lab.database.rows("select from requests"), []);
  assert.equal((await lab.broker.client.gettickets({ request, count: 1 })).length, 1);
});

describe("a request brings nothing", () => {
  test("to its principal, to another broker or to a node that replays it", async () => {
    await using lab = await requestLab();
    const request = lab.request();
    for (const thief of [lab.alice, lab.rival, lab.nodes[0]]) {
      await assert.rejects(
        thief.client.gettickets({ request }),
        refusal("NOT_PRINCIPAL", /only the broker it names/),
      );
    }
    await assert.rejects(lab.plainClient().gettickets({ request }), refusal("NO_CERTIFICATE"));
    assert.deepEqual(await charges(lab), []);
  });

  test("at an agent it does not name", async () => {
    await using lab = await requestLab();
    const request = lab.request({ agents: ["a".repeat(64)] });
    await assert.rejects(
      lab.broker.client.gettickets({ request }),
      refusal("NOT_PRINCIPAL", /does not name this agent/),
    );
  });

  test("before its day and after its end, with the slack that clocks are given", async () => {
    await using lab = await requestLab();
    const at = async (validTo: number) =>
      await lab.broker.client.gettickets({ request: lab.request({ validTo }), count: 1 });
    await assert.rejects(at(NOW - CLOCK_SLACK), refusal("EXPIRED", /sign a new one/));
    assert.equal((await at(NOW - CLOCK_SLACK + 1)).length, 1);
    const furthest = NOW + MAX_REQUEST_SECONDS + CLOCK_SLACK;
    await assert.rejects(at(furthest + 1), refusal("NOT_YET_VALID"));
    assert.equal((await at(furthest)).length, 1);
  });

  test("with another body under a serial that was used", async () => {
    await using lab = await requestLab();
    const serial = "5".repeat(32);
    await lab.broker.client.gettickets({ request: lab.request({ serial }), count: 1 });
    for (const other of [
      lab.request({ serial }, { name: "another" }),
      lab.request({ serial, validTo: NOW + HOUR + 1 }),
      requestOf(lab, lab.rival.name, { serial }, {}),
    ]) {
      const { client } = other.includes(lab.rival.name) ? lab.rival : lab.broker;
      await assert.rejects(client.gettickets({ request: other }), refusal("BAD_CHAIN", /serial/));
    }
    const bobs = lab.request({ serial }, { name: "bobs" }, lab.bob);
    assert.equal(
      (await lab.broker.client.gettickets({ request: bobs })).length,
      4,
      "serials are each principal's",
    );
  });

  test("two bodies under one serial at once: one of them counts", async () => {
    await using lab = await requestLab();
    const serial = "6".repeat(32);
    const requests = [lab.request({ serial }), lab.request({ serial, validTo: NOW + HOUR + 1 })];
    const { issued, faults } = await outcomes(
      Array.from({ length: 16 }, (_, at) =>
        lab.broker.client.gettickets({ request: requests[at % 2]!, count: 1, atleast: 1 }),
      ),
    );
    assert.equal(issued.length, 4);
    assert.deepEqual(
      faults.filter((name) => name !== "ALREADY_REDEEMED"),
      ["BAD_CHAIN"],
    );
  });

  test("signed by a stranger, in another's name, altered, or no request at all", async () => {
    await using lab = await requestLab();
    const present = (request: string) => lab.broker.client.gettickets({ request });
    await assert.rejects(present(lab.request({}, {}, lab.broker)), refusal("NOT_PRINCIPAL", /does not know/));
    const { body } = parseDocument(lab.request());
    const { text } = sealBody(body, lab.bob.signingKey);
    await assert.rejects(present(text), refusal("NOT_PRINCIPAL", /another principal/));
    await assert.rejects(present(lab.request().replace("<serial>0", "<serial>1")), refusal("BAD_SIGNATURE"));
    const [ticket] = await lab.alice.client.gettickets({
      description: "<slice><name>own</name><nodes>1</nodes><lease_seconds>60</lease_seconds></slice>",
    });
    await assert.rejects(present(ticket!), refusal("NOT_PRINCIPAL"));
    await assert.rejects(present("x"), refusal("MALFORMED"));
    const both = { request: lab.request(), description: "<slice/>" };
    await assert.rejects(
      lab.broker.client.gettickets(both),
      refusal("MALFORMED", /description or a request/),
    );
  });

  test("that its principal may not have: administrative slices, long leases, many nodes, another's name", async () => {
    await using lab = await requestLab();
    const present = (described: Partial<SliceDescription>) =>
      lab.broker.client.gettickets({ request: lab.request({}, described) });
    await assert.rejects(present({ administrative: ["CAP_NET_RAW"] }), refusal("NO_PRIVILEGE"));
    await assert.rejects(present({ leaseSeconds: 15 * DAY }), refusal("NO_PRIVILEGE"));
    await lab.bob.client.newtickets({ slice: "bobs", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" });
    await assert.rejects(present({ name: "bobs" }), refusal("NOT_PRINCIPAL", /belongs to somebody else/));
    assert.deepEqual(await lab.database.rows("select from requests"), []);
    const nodes = { count: 1001, atleast: 1001, standby: 0 };
    await assert.rejects(present({ nodes }), refusal("QUOTA"));
  });

  test("with a program in its description", async () => {
    await using lab = await requestLab();
    const request = describedRequest(
      { ...requestTerms(lab), validTo: NOW + HOUR },
      plainDescription("oceanstore", 1),
    );
    const withProgram = request.descriptionXml.replace(
      "</slice>",
      "<program><command>x</command></program></slice>",
    );
    const body = writeRequest({ ...request, descriptionXml: withProgram });
    const { text } = sealBody(body, lab.alice.signingKey);
    await assert.rejects(lab.broker.client.gettickets({ request: text }), refusal("MALFORMED", /program/));
  });
});

function requestTerms(lab: RequestLab): Omit<RequestTerms, "validTo"> {
  return {
    principal: lab.alice.name,
    serial: "7".repeat(32),
    broker: lab.broker.name,
    agents: [lab.agent.announce.agent],
  };
}

test("a principal suspended, or a privilege withdrawn, while its request is being honoured gets nothing", async () => {
  await using lab = await requestLab();
  const request = lab.request();
  const ask = () => lab.broker.client.gettickets({ request, count: 1 });
  assert.equal((await ask()).length, 1);
  let waiting: Promise<unknown> = Promise.resolve();
  await lab.database.transaction(async (tx) => {
    await tx.run("update principals set suspended = true where name = $1", [lab.alice.name]);
    waiting = assert.rejects(ask(), refusal("SUSPENDED"));
    await lockWaits(lab, 1);
  });
  await waiting;
  await lab.registry.suspend("alice", false);
  assert.equal((await ask()).length, 1);
  await lab.database.run("delete from privileges where principal = $1", [lab.alice.name]);
  await assert.rejects(ask(), refusal("NO_PRIVILEGE"));
  assert.equal((await charges(lab)).length, 2);
});

test("a broker that an administrator suspended gets nothing for anybody", async () => {
  await using lab = await requestLab();
  await lab.registry.addPrincipal({ label: "broker", role: "agent", certificate: lab.broker.certPem });
  const request = lab.request();
  assert.equal((await lab.broker.client.gettickets({ request, count: 1 })).length, 1);
  await lab.registry.suspend("broker", true);
  await assert.rejects(lab.broker.client.gettickets({ request }), refusal("SUSPENDED", /this broker/));
});

test("the broker that asked for tickets gives them back, and nobody but it and their principal", async () => {
  await using lab = await requestLab({ loopback: true, nodes: 2, deps: { cancelTimeoutMs: 20_000 } });
  const [node] = lab.nodes;
  await using standing = await standingNode(node, node.ip, lab.clock);
  await node.client.deposittickets({ tickets: [], facts: { ...FACTS, sslport: standing.port } });
  const tickets = await lab.broker.client.gettickets({
    request: lab.request(),
    nodes: [node.name],
    count: 1,
  });
  const [own] = await lab.alice.client.newtickets({
    slice: "own",
    ntickets: 1,
    leaselen: DAY,
    ips: [node.ip],
  });
  for (const stranger of [lab.rival, lab.bob, node]) {
    await assert.rejects(stranger.client.releasetickets({ tickets }), refusal("NOT_PRINCIPAL"));
  }
  await assert.rejects(
    lab.broker.client.releasetickets({ tickets: [...tickets, own!] }),
    refusal("NOT_PRINCIPAL"),
    "what the principal asked for itself is none of the broker's",
  );
  const [released] = await lab.broker.client.releasetickets({ tickets });
  assert.equal(released?.state, "released");
  await eventually(async () => (await charges(lab)).length === 1);
  const [again] = await lab.alice.client.releasetickets({ tickets });
  assert.equal(again?.state, "freed");
});

describe("closing a request", () => {
  const idsOf = (tickets: readonly string[]) => tickets.map((text) => parseDocument(text).id).toSorted();

  test("tells its principal exactly what it brought, and ends it for everybody", async () => {
    await using lab = await requestLab();
    const request = lab.request();
    const tickets = await lab.broker.client.gettickets({ request, count: 3 });
    await lab.broker.client.gettickets({ request: lab.request(), count: 1 });
    assert.deepEqual(idsOf(await lab.alice.client.closerequest({ request })), idsOf(tickets));
    await assert.rejects(
      lab.broker.client.gettickets({ request }),
      refusal("ALREADY_REDEEMED", /issued or given up, which leaves 0/),
    );
    const [first = ""] = idsOf(tickets);
    const behind = await lab.broker.client.closerequest({ request, after: first });
    assert.deepEqual(idsOf(behind), idsOf(tickets).slice(1), "also for the broker, and page by page");
    const { id, body } = parseDocument(tickets[0]!);
    const node = lab.nodes.find(({ ip }) => body.includes(`<ip>${ip}</ip>`))!;
    await node.client.settletickets({ cancelled: [id] });
    assert.equal((await lab.alice.client.closerequest({ request })).length, 2, "those that still count");
  });

  test("works before anything was asked for and after its end, and for nobody else", async () => {
    await using lab = await requestLab();
    const request = lab.request();
    for (const stranger of [lab.rival, lab.bob, lab.nodes[0]]) {
      await assert.rejects(stranger.client.closerequest({ request }), refusal("NOT_PRINCIPAL"));
    }
    assert.deepEqual(await lab.alice.client.closerequest({ request }), []);
    await assert.rejects(lab.broker.client.gettickets({ request }), refusal("ALREADY_REDEEMED"));
    const serial = "8".repeat(32);
    await lab.broker.client.gettickets({ request: lab.request({ serial }) });
    lab.clock.advance(HOUR + DAY);
    const other = lab.request({ serial, validTo: NOW + 1 });
    await assert.rejects(lab.alice.client.closerequest({ request: other }), refusal("BAD_CHAIN"));
  });

  test("while tickets are being issued under it: what was issued is told, nothing else ever is", async () => {
    await using lab = await requestLab();
    for (let round = 0; round < 5; round++) {
      const request = lab.request({}, { nodes: { count: 6, atleast: 1, standby: 0 }, name: `round${round}` });
      const calls = Array.from({ length: 8 }, () => lab.broker.client.gettickets({ request, count: 1 }));
      await Promise.race(calls);
      const [told, { issued }] = await Promise.all([
        lab.alice.client.closerequest({ request }),
        outcomes(calls),
      ]);
      assert.deepEqual(idsOf(told), idsOf(issued));
    }
  });
});

test("a request is forgotten when nobody can present it any more, who asked for its tickets is not", async () => {
  await using lab = await requestLab();
  const request = lab.request();
  const tickets = await lab.broker.client.gettickets({ request });
  lab.clock.advance(HOUR + CLOCK_SLACK);
  await lab.agent.scan();
  assert.equal((await lab.database.rows("select from requests")).length, 1);
  lab.clock.advance(DAY);
  await lab.agent.scan();
  assert.deepEqual(await lab.database.rows("select from requests"), []);
  await assert.rejects(lab.broker.client.gettickets({ request }), refusal("EXPIRED"));
  const [released] = await lab.broker.client.releasetickets({ tickets: tickets.slice(0, 1) });
  assert.notEqual(released, undefined);
});
