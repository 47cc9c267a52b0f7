import assert from "node:assert/strict";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { stringify } from "smol-toml";
import { runAgent } from "#services/agent/commands.ts";
import { type PublicKey, publicKeyFromSpki } from "#shared/identity/key.ts";
import { loadKeyFile } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import type { Holding } from "#shared/model/ticket.ts";
import { openIssuedTicket } from "#shared/wire/chain.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { readTicket } from "#shared/wire/ticket-document.ts";
import { eventually } from "#test/support/deadline.ts";
import { DAY, during, HOUR, type Sealed, seal, serial, sliceTicketUnder } from "#test/support/documents.ts";
import { type SliceLab, sliceLab } from "../services/service-manager/slice-lab.ts";

const SLIVERS = 6;

let lab: SliceLab;
let copies: string;

/** One `slicelab agent ticket-key` command, as its operator types it. */
async function ticketKey(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const file = join(copies, "agent.toml");
  await writeFile(file, stringify(lab.agentConfig));
  let [out, err] = ["", ""];
  const code = await runAgent(["ticket-key", ...argv, "--config", file], {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: {},
    clock: lab.clock,
  });
  return { code, out, err };
}

async function keysTold(): Promise<PublicKey[]> {
  const { ticket_key, ticket_keys = [] } = await lab.agentClient.getconfig();
  assert.equal(ticket_keys[0], ticket_key);
  return ticket_keys.map((key) => publicKeyFromSpki(Buffer.from(key, "base64")));
}

/** A ticket for one of the nodes, and which key signed it. */
async function ticketFor(slice: string, at: number) {
  const order = { slice, ntickets: 1, leaselen: DAY, ips: [lab.nodes[at]!.ip] };
  const [text] = await lab.agentClient.newtickets(order);
  const { ticket, signer } = openIssuedTicket(text!, await keysTold());
  return { text: text!, ticket, signer: signer.name };
}

/** Node managers learn the agent's key anew every half a minute, and whenever they start. */
async function nodesLearn(): Promise<void> {
  for (const node of lab.nodes) await node.stop();
  await Promise.all(lab.nodes.map((node) => node.start()));
  const [current] = await keysTold();
  await eventually(async () => {
    const rows = await lab.database.rows("select from holdings where principal = $1", [current!.name]);
    return rows.length === lab.nodes.length;
  });
}

/** How much is free of each node, as advertised. */
async function free(): Promise<number[]> {
  const ads = await lab.agentClient.getads({ nodes: lab.nodes.map(({ name }) => name) });
  const left = new Map(ads.flatMap((ad) => (typeof ad === "string" ? [] : [[ad.node, ad.free.slivers]])));
  return lab.nodes.map(({ name }) => left.get(name)!);
}

/** What somebody signs who has a copy of a ticket key, beneath the first node's root for it. */
async function forged(key: SigningKey, number: number): Promise<string> {
  const rows = await lab.database.rows<{ lineage: string[] }>(
    "select lineage from holdings where principal = $1 and node = $2",
    [key.public.name, lab.nodes[0]!.name],
  );
  const [{ lineage }] = rows as [{ lineage: string[] }];
  const document = parseDocument(lineage.at(-1)!);
  const root = { id: document.id, ticket: readTicket(document) as Holding, lineage, text: "" };
  const now = lab.clock.now();
  const ticket = sliceTicketUnder(root as unknown as Sealed<Holding>, {
    ...{ to: lab.alice.signingKey, slice: `forged${number}`, serial: serial(number) },
    ...{ validity: during(now, HOUR), term: during(now, DAY), renewableUntil: now + 2 * DAY },
  });
  return seal(ticket, key, lineage).text;
}

async function start(): Promise<void> {
  lab = await sliceLab({ nodes: 2, share: { slivers: SLIVERS } });
  copies = dirname(lab.agentConfig.ticket_key);
}

describe("a new ticket key takes over from the one there was", () => {
  let old: PublicKey;
  let young: PublicKey;
  let leased: Awaited<ReturnType<typeof ticketFor>>;
  let waiting: Awaited<ReturnType<typeof ticketFor>>;

  before(start);
  after(() => lab[Symbol.asyncDispose]());

  test("at once, while nodes do not know it yet and tickets are still split from what the old one has", async () => {
    [old] = (await keysTold()) as [PublicKey];
    leased = await ticketFor("leased", 0);
    await lab.nodes[0]!.client.newlease({ ticketdata: leased.text });
    waiting = await ticketFor("waiting", 1);
    await copyFile(lab.agentConfig.ticket_key, join(copies, "stolen.key"));

    const { code, out } = await ticketKey("rotate");
    assert.equal(code, 0);
    await lab.agent.scan();
    const told = await keysTold();
    assert.deepEqual(
      told.map(({ name }) => name),
      [out.trim(), old.name],
    );
    young = told[0]!;
    assert.equal((await ticketFor("between", 1)).signer, old.name);
    assert.equal((await lab.agentClient.gettickets()).length, 2, "those that are not redeemed");
  });

  test("and another does not come before the first is forgotten", async () => {
    const { code, err } = await ticketKey("rotate");
    assert.equal(code, 1);
    assert.match(err, /still needed; slicelab agent ticket-key list/);
    assert.equal((await readFile(lab.agentConfig.ticket_key)).length > 0, true);
    assert.deepEqual(
      (await keysTold()).map(({ name }) => name),
      [young.name, old.name],
    );
  });

  test("nodes give it what the old one has, and nothing is counted twice", async () => {
    const before = await free();
    await nodesLearn();
    await lab.agent.scan();
    assert.deepEqual(await free(), before);
    assert.deepEqual(before, [SLIVERS - 1, SLIVERS - 2]);
    for (let left = before[0]!; left > 0; left--) {
      const { text, signer } = await ticketFor(`full${left}`, 0);
      assert.equal(signer, young.name);
      await lab.nodes[0]!.client.newlease({ ticketdata: text });
    }
    await assert.rejects(ticketFor("more", 0), { name: "NO_CAPACITY" });
    const stolen = await loadKeyFile(join(copies, "stolen.key"));
    await assert.rejects(
      lab.nodes[0]!.client.newlease({ ticketdata: await forged(stolen, 1) }),
      { name: "NO_CAPACITY" },
      "its node counts both keys' roots as one account, whatever the agent says",
    );
  });

  test("tickets of the old key are redeemed and leases beneath it are renewed, alone and by tickets of the new one", async () => {
    await lab.nodes[1]!.client.newlease({ ticketdata: waiting.text });
    const node = lab.nodes[1]!;
    await node.client.renewlease({ slice: "waiting" });
    lab.clock.advance(DAY + HOUR);
    const { text, signer } = await ticketFor("waiting", 1);
    assert.equal(signer, young.name);
    const before = (await node.leases()).find(({ slice }) => slice === "waiting")!;
    await node.client.renewlease({ slice: "waiting", ticketdata: text });
    const after = (await node.leases()).find(({ slice }) => slice === "waiting")!;
    assert.ok(after.renewableUntil > before.renewableUntil);
  });

  test("it stays while something stands on it", async () => {
    await lab.agent.scan();
    assert.equal((await keysTold()).length, 2);
    const listed = async () => (await ticketKey("list")).out.trim().split("\n").slice(1);
    await eventually(
      async () => {
        const [current, before] = await listed();
        assert.match(current!, new RegExp(`^${young.name.slice(0, 16)} +current `));
        assert.match(before!, new RegExp(`^${old.name.slice(0, 16)} +before +\\S+ \\S+ +2 +0 +2 +0 `));
        return true;
      },
      { what: "the agent hearing of both leases beneath the old key" },
    );
  });

  test("when nothing does, nodes close what it had, and it is forgotten: a copy of it is of no use", async () => {
    for (const { slice } of await lab.nodes[0]!.leases()) await lab.nodes[0]!.client.deletelease({ slice });
    await lab.nodes[1]!.client.deletelease({ slice: "waiting" });
    await eventually(async () => (await lab.charges()).length === 0, { what: "nodes reporting" });
    await lab.agent.scan();
    assert.deepEqual(
      (await keysTold()).map(({ name }) => name),
      [young.name],
    );
    assert.match((await ticketKey("list")).out, new RegExp(`${old.name.slice(0, 16)} +forgotten `));
    const stolen = await loadKeyFile(join(copies, "stolen.key"));
    await assert.rejects(lab.nodes[0]!.client.newlease({ ticketdata: await forged(stolen, 2) }), {
      name: "REVOKED",
    });
    const { text, signer } = await ticketFor("afterwards", 0);
    assert.equal(signer, young.name);
    await lab.nodes[0]!.client.newlease({ ticketdata: text });
    assert.equal((await ticketKey("rotate")).code, 0, "and another may take over now");
  });
});

describe("a ticket key that somebody else may have", () => {
  before(start);
  after(() => lab[Symbol.asyncDispose]());

  test("is closed at its nodes at once; what is leased goes on", async () => {
    assert.match((await ticketKey("close")).err, /no key before the current one/);
    const leased = await ticketFor("leased", 0);
    await lab.nodes[0]!.client.newlease({ ticketdata: leased.text });
    const unredeemed = await ticketFor("unredeemed", 0);
    const stolen = await loadKeyFile(lab.agentConfig.ticket_key);
    assert.equal((await ticketKey("rotate")).code, 0);
    await lab.agent.scan();
    await nodesLearn();
    assert.equal((await ticketKey("close")).code, 0);
    await lab.agent.scan();
    const [first] = lab.nodes;
    for (const ticketdata of [unredeemed.text, await forged(stolen, 3)])
      await assert.rejects(first!.client.newlease({ ticketdata }), { name: "REVOKED" });
    const [before] = await first!.leases();
    await first!.client.renewlease({ slice: "leased" });
    const [renewed] = await first!.leases();
    assert.ok(renewed!.term.end > before!.term.end);
    const again = await ticketFor("another", 0);
    await first!.client.newlease({ ticketdata: again.text });
    assert.equal((await keysTold()).length, 2, "its signature is needed until what it issued is over");
    await Promise.all(["leased", "another"].map((slice) => first!.client.deletelease({ slice })));
    await eventually(async () => (await lab.charges()).length === 1);
    lab.clock.advance(3 * DAY);
    await lab.agent.scan();
    await lab.agent.scan();
    assert.equal((await keysTold()).length, 1);
    assert.deepEqual(await lab.charges(), []);
  });
});
