import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { parseDocument } from "#shared/wire/document.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { readTicket } from "#shared/wire/ticket-document.ts";
import { eventually } from "../../support/deadline.ts";
import { DAY, NOW } from "../../support/documents.ts";
import { revocationsBy } from "../../support/revocations.ts";
import { type Credentials, SecureReader } from "../../support/secure-web.ts";
import { charges, refusal } from "../agent/agent-lab.ts";
import { description } from "./advertisements.ts";
import { type BrokerLab, brokerLab } from "./broker-lab.ts";

describe("a broker", () => {
  /** One broker for all of these tests: each has a slice of its own. */
  let lab: BrokerLab;
  before(async () => {
    lab = await brokerLab({ agent: { nodes: 4 } });
  });
  after(() => lab[Symbol.asyncDispose]());

  const ticketOf = (text: string) => readTicket(parseDocument(text));
  const nodesOf = (tickets: readonly string[]) => tickets.map((text) => ticketOf(text).node);

  async function chargedNodes(slice: string): Promise<number> {
    return (await charges(lab.agentLab)).filter((charge) => charge.startsWith(`${slice} on `)).length;
  }

  test("a signed request brings tickets that name its principal, in order of preference, standbys after them", async () => {
    const got = await lab.client.acquireslice({
      request: lab.request({ name: "one", count: 2, standby: 1 }),
    });
    assert.equal(got.state, "done");
    assert.deepEqual([got.tickets.length, got.standby.length], [2, 1]);
    assert.deepEqual(
      nodesOf(got.tickets),
      got.specification?.chosen.map(({ node }) => node),
    );
    assert.deepEqual(
      nodesOf(got.standby),
      got.specification?.standby.map(({ node }) => node),
    );
    for (const text of [...got.tickets, ...got.standby]) {
      const ticket = ticketOf(text);
      assert.deepEqual(
        [ticket.principal, ticket.kind === "slice" && ticket.slice],
        [lab.agentLab.alice.name, "one"],
      );
    }
    assert.equal(got.specification?.spare, 1);
    assert.match(got.progress, /3 of 3 tickets, 1 agent asked/);
  });

  test("the same request again is the same acquisition, also many times at once", async () => {
    const request = lab.request({ name: "twice" });
    const answers = await Promise.all(Array.from({ length: 8 }, () => lab.client.acquireslice({ request })));
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
    assert.deepEqual(await lab.client.getacquisition({ id: answers[0]!.id }), answers[0]);
    assert.equal(await chargedNodes("twice"), 2);
  });

  test("whoever the authority has revoked is refused on its open connection, once agents were asked", async () => {
    const { authority, bob } = lab.agentLab;
    const carol = await authority.client("carol");
    const client = lab.clientOf(carol);
    await client.getconfig();
    const list = revocationsBy(authority.authority.key, 5, { key: [carol.name] });
    await bob.client.postrevocations({ list });
    await lab.broker.poll();
    await assert.rejects(client.getconfig(), refusal("CERTIFICATE_REVOKED"));
    await lab.client.getconfig();
    // As if this broker had been started again while none of its agents answers.
    const nobody = [{ identity: lab.agent, url: "https://127.0.0.1:9/RPC2" }];
    await using again = await lab.sibling({ agents: nobody });
    await assert.rejects(lab.clientOf(carol, again).getconfig(), refusal("CERTIFICATE_REVOKED"));
    await lab.clientOf(bob, again).getconfig();
  });

  test("a request is acted on for its principal alone, by the broker it names, until it ends", async () => {
    const { alice, bob } = lab.agentLab;
    const bobs = lab.clientOf(bob);
    await assert.rejects(bobs.acquireslice({ request: lab.request({ name: "no" }) }), refusal("UNKNOWN_KEY"));
    await assert.rejects(
      lab.client.acquireslice({ request: lab.request({ name: "no", broker: "b".repeat(64) }) }),
      refusal("NOT_PRINCIPAL", /another broker/),
    );
    await assert.rejects(
      lab.client.acquireslice({ request: lab.request({ name: "no", validTo: NOW - 301 }) }),
      refusal("EXPIRED"),
    );
    await assert.rejects(
      lab.client.acquireslice({ request: lab.request({ name: "no", validTo: NOW + 2 * DAY }) }),
      refusal("NOT_YET_VALID"),
    );
    const damaged = lab.request({ name: "no" }).replace("<serial>", "<serial> ");
    await assert.rejects(lab.client.acquireslice({ request: damaged }), refusal("BAD_SIGNATURE"));
    await assert.rejects(lab.client.acquireslice({ request: "nonsense" }), refusal("MALFORMED"));
    const description = writeSliceDescription(plain("no"));
    await assert.rejects(lab.client.acquireslice({ request: description }), refusal("MALFORMED"));
    const { id } = await lab.client.acquireslice({ request: lab.request({ name: "mine" }) });
    await assert.rejects(bobs.getacquisition({ id }), refusal("NO_SLICE"));
    await assert.rejects(
      lab.client.getacquisition({ id: "0".repeat(64) }),
      refusal("NO_SLICE", /does not exist/),
    );
    assert.equal(await chargedNodes("no"), 0);
    assert.equal((await lab.clientOf(alice).getacquisition({ id })).state, "done");
  });

  function plain(name: string) {
    return { ...description(2), name };
  }

  test("what a call says besides may only make less of a request", async () => {
    const request = (name: string) => lab.request({ name, count: 3, atleast: 2, standby: 1 });
    for (const more of [{ wanted: 4 }, { wanted: 0 }, { standby: 2 }, { atleast: 4 }, { atleast: 0 }]) {
      await assert.rejects(
        lab.client.acquireslice({ request: request("more"), ...more }),
        refusal("MALFORMED"),
      );
    }
    assert.equal(await chargedNodes("more"), 0);
    const [avoided, held] = lab.agentLab.nodes.map(({ name }) => name) as [string, string];
    const got = await lab.client.acquireslice({
      request: request("less"),
      ...{ wanted: 1, atleast: 1, standby: 1, avoid: [avoided], holds: [held] },
    });
    assert.deepEqual([got.tickets.length, got.standby.length], [1, 1]);
    for (const node of nodesOf([...got.tickets, ...got.standby]))
      assert.ok(node !== avoided && node !== held);
  });

  test("a serial is good for one request, and a request says its resources", async () => {
    const serial = "5".repeat(32);
    await lab.client.acquireslice({ request: lab.request({ name: "serial", serial, count: 1 }) });
    await assert.rejects(
      lab.client.acquireslice({ request: lab.request({ name: "serial", serial, count: 2 }) }),
      refusal("BAD_CHAIN", /new serial/),
    );
    await assert.rejects(
      lab.client.acquireslice({
        request: lab.request({ name: "bare", description: { resources: undefined } }),
      }),
      refusal("MALFORMED", /resources/),
    );
  });

  test("agents that the broker does not know are named, and are no obstacle to those it does", async () => {
    const stranger = "a".repeat(64);
    const agents = [stranger, lab.agent];
    const got = await lab.client.acquireslice({ request: lab.request({ name: "known", agents }) });
    assert.equal(got.state, "done");
    assert.deepEqual(got.refused, [
      { node: "", agent: stranger, reason: "is an agent that this broker is not configured for" },
    ]);
    await assert.rejects(
      lab.client.acquireslice({ request: lab.request({ name: "unknown", agents: [stranger] }) }),
      refusal("UNKNOWN_KEY", /getconfig/),
    );
  });

  test("too few nodes: nothing is asked for, each exclusion is explained, and the same request says so again", async () => {
    const request = lab.request({ name: "many", count: 9 });
    const avoid = [lab.agentLab.nodes[0].name];
    const refused = refusal("NO_CAPACITY", /3 of the 9 nodes needed fit: 10\.77\.0\.1 is to be avoided/);
    await assert.rejects(lab.client.acquireslice({ request, avoid }), refused);
    await assert.rejects(lab.client.acquireslice({ request, avoid }), refused);
    assert.equal(await chargedNodes("many"), 0);
  });

  test("what an agent refuses is told as it said it", async () => {
    const { bob } = lab.agentLab;
    const request = lab.request({ name: "one", as: bob }); // alice's name, since the first test
    await assert.rejects(lab.clientOf(bob).acquireslice({ request }), refusal("NOT_PRINCIPAL"));
  });

  test("a dry run finds nodes, explains every exclusion, and asks for nothing", async () => {
    const [first, second] = lab.agentLab.nodes.map(({ name }) => name) as [string, string];
    const xml = writeSliceDescription({ ...plain("dry"), engine: "microvm" });
    const nothing = await lab.client.findslice({ description: xml });
    assert.deepEqual([nothing.chosen.length, nothing.refused_count], [0, 4]);
    assert.match(nothing.explanation, /4 of 4 nodes are left out: 4 do not run microvm/);
    assert.match(nothing.advice, /another engine/);
    const found = await lab.client.findslice({
      description: writeSliceDescription(plain("dry")),
      ...{ avoid: [first], holds: [second], wanted: 1, standby: 1 },
    });
    assert.deepEqual([found.chosen.length, found.standby.length, found.spare], [1, 1, 0]);
    assert.equal(found.chosen[0]?.agent, lab.agent);
    assert.deepEqual(found.refused.map(({ reason }) => reason).sort(), ["has the slice", "is to be avoided"]);
    assert.equal(await chargedNodes("dry"), 0);
  });

  test("it says who it is, whom it asks, and how much there is to do", async () => {
    const config = await lab.client.getconfig();
    assert.equal(config.broker, lab.identity.name);
    assert.deepEqual(
      config.agents.map(({ identity }) => identity),
      [lab.agent],
    );
    const metrics = await (await fetch(new URL("/metrics", lab.broker.announce.web))).text();
    assert.match(metrics, /slicelab_broker_acquisitions\{state="done"\} [1-9]/);
    const page = await (await fetch(lab.broker.announce.web)).text();
    assert.match(page, new RegExp(lab.agent));
    assert.equal((await fetch(lab.broker.announce.web, { method: "POST" })).status, 404);
  });

  test("its pages show principals over TLS what it acquired for them, and nobody else", async () => {
    const me = new URL("/me.json", lab.broker.announce.web_tls);
    const { alice, bob, admin, authority } = lab.agentLab;
    const everybodys = new URL("/acquisitions.json", me);
    const seen = async (tls: Credentials, page = me) => {
      using reader = new SecureReader(tls);
      const { status, text } = await reader.read(page);
      return { status, ...JSON.parse(text) };
    };
    const own = await seen(alice.tls);
    assert.equal(own.principal, alice.name);
    const { begun, held, state } = own.tables.acquisitions.rows.findLast(
      (row: { state: string }) => row.state === "done",
    );
    assert.ok(begun && held > 0 && state === "done");
    assert.ok(own.tables.refusals.rows.every((row: { reason: string }) => row.reason !== ""));
    const idsOf = ({ tables }: typeof own): Set<string> =>
      new Set(tables.acquisitions.rows.map(({ id }: { id: string }) => id));
    assert.ok(idsOf(own).isDisjointFrom(idsOf(await seen(bob.tls))));
    assert.equal((await seen({ ca: authority.caPem })).status, 403);

    const all = await seen(admin.tls, everybodys);
    assert.ok(idsOf(all).isSupersetOf(idsOf(own)), "whoever administers it sees everybody's");
    const { rows } = all.tables.acquisitions;
    const ofAlice = rows.filter(({ principal }: { principal: string }) => principal === alice.name);
    assert.equal(ofAlice.length, own.tables.acquisitions.rows.length);
    assert.equal((await seen(alice.tls, everybodys)).status, 403);
    assert.equal((await fetch(new URL("/acquisitions", lab.broker.announce.web))).status, 404);
    assert.equal((await fetch(new URL("/me", lab.broker.announce.web))).status, 404);
  });

  test("tickets that nobody asked for in time go back, and what is over is forgotten with its tickets' validity", async () => {
    const begun = await lab.client.acquireslice({ request: lab.request({ name: "left" }), wait_seconds: 0 });
    const { id } = begun;
    await eventually(
      async () => await lab.database.row("select from acquisitions where id = $1 and state = 'done'", [id]),
    );
    await lab.database.run("update acquisitions set told = null where id = $1", [id]);
    await lab.broker.scan();
    assert.equal((await heldOf(id)).length, 2, "not yet");
    lab.agentLab.clock.advance(301);
    await lab.broker.scan();
    await eventually(async () => (await statesOf(id)).every((state) => state === "released"));
    const over = await lab.client.getacquisition({ id });
    assert.deepEqual([over.state, over.fault?.name, over.tickets], ["failed", "EXPIRED", []]);
    const left = (await lab.agentLab.alice.client.gettickets({})).map((text) => ticketOf(text));
    assert.ok(
      !left.some((ticket) => ticket.kind === "slice" && ticket.slice === "left"),
      "no ticket of it is left",
    );

    lab.agentLab.clock.advance(DAY);
    await lab.broker.scan();
    await assert.rejects(lab.client.getacquisition({ id }), refusal("NO_SLICE"));
  });

  async function statesOf(id: string): Promise<string[]> {
    const rows = await lab.database.rows<{ state: string }>(
      "select state from tickets where acquisition = $1",
      [id],
    );
    return rows.map(({ state }) => state);
  }

  async function heldOf(id: string): Promise<string[]> {
    return (await statesOf(id)).filter((state) => state === "held");
  }
});
