import assert from "node:assert/strict";
import { test } from "node:test";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import type { SliceTicket } from "#shared/model/ticket.ts";
import { openTicket } from "#shared/wire/chain.ts";
import { lineageOf, parseDocument, signDocument } from "#shared/wire/document.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { eventually } from "../../../support/deadline.ts";
import { DAY, HOUR, serial } from "../../../support/documents.ts";
import { refusal } from "../agent-lab.ts";
import { type TogetherLab, togetherLab } from "./together-lab.ts";

const PART = ["--slivers", "5", "--memory-mib", "1024", "--disk-mib", "5000", "--cpu-millis", "1000"];

/** A ticket of the second agent for bob. */
async function ticket({ first, second }: TogetherLab, slice: string, at = 0, memory = 128): Promise<string> {
  const resources = { cpu_millis: 100, memory_mib: memory, disk_mib: 512, egress_kbps: 0 };
  const ips = [first.nodes[at]!.ip];
  const [text] = await second.bob.newtickets({ slice, ntickets: 1, leaselen: DAY, ips, resources });
  return text!;
}

test("what one agent hands on, another advertises, splits, and frees on the nodes' word, which do not know it", async () => {
  await using lab = await togetherLab({ nodes: 2 });
  const { first, second } = lab;
  const [{ ip, name, identity }] = first.nodes as [(typeof first.nodes)[0]];
  const [granted] = await lab.grant("--node", "node0", ...PART);
  assert.deepEqual(await lab.free(0), { first: [15, 3072], second: [5, 1024] });
  assert.deepEqual(await lab.free(1), { first: [20, 4096], second: [0, 0] });

  assert.deepEqual(await second.bob.getads(), [], "nobody has told it yet whether the node is alive");
  await second.agent.gather();
  assert.deepEqual(await second.bob.getads(), [ip]);
  const [ours] = await first.agentClient.getads({ nodes: [name] });
  const [theirs] = await second.bob.getads({ nodes: [name] });
  assert.ok(typeof ours === "object" && typeof theirs === "object");
  for (const fact of ["sslport", "engines", "images", "abilities", "simulated", "heard"] as const) {
    assert.deepEqual(theirs[fact], ours[fact], fact);
  }

  const text = await ticket(lab, "used");
  const { above, leaf } = openTicket(text, { nodeKey: identity.signingKey.public });
  assert.equal(above.at(-1)!.id, granted);
  assert.equal(above.at(-1)!.ticket.holder, second.identity.name);
  await lab.node(0).newlease({ ticketdata: text });
  await second.agent.scan();
  const state = async () =>
    (await second.database.row<{ state: string }>("select state from tickets where id = $1", [leaf.id]))!
      .state;
  assert.equal(await state(), "redeemed");
  assert.deepEqual(await lab.free(0), { first: [15, 3072], second: [4, 896] });
  await lab.node(0).deletelease({ slice: "used" });
  await second.agent.scan();
  assert.equal(await state(), "ended");
  assert.deepEqual(await lab.free(0), { first: [15, 3072], second: [5, 1024] });

  const given = await ticket(lab, "given");
  assert.deepEqual((await second.bob.releasetickets({ tickets: [given] }))[0]!.state, "released");
  await eventually(async () => (await lab.free(0)).second[0] === 5, {
    what: "a ticket given back being free",
  });
  await assert.rejects(lab.node(0).newlease({ ticketdata: given }), refusal("ALREADY_REDEEMED"));

  const kept = await ticket(lab, "kept");
  await second.agent.scan();
  assert.equal((await lab.free(0)).second[0], 4, "asking does not cancel what can still be redeemed");
  await lab.node(0).newlease({ ticketdata: kept });
  await lab.node(0).deletelease({ slice: "kept" });
  await ticket(lab, "forgotten");
  first.clock.advance(HOUR + 700);
  await second.agent.scan();
  assert.deepEqual((await lab.free(0)).second, [5, 1024]);
  await lab.checkBooks();
});

test("a node that the other agent refuses is named, and keeps no other from being taken", async () => {
  await using lab = await togetherLab({ nodes: 2 });
  const { first, second } = lab;
  const to = ["--to", second.agent.announce.tls, "--identity", second.identity.name];
  assert.equal((await second.run("node", "suspend", "theirs1")).code, 0);
  const { code, out, err } = await lab.run("holding", "grant", "--all", ...PART, ...to);
  assert.equal(code, 1);
  const refused = out.split("\n").find((line) => line.includes(` ${first.nodes[1]!.ip} `));
  const id = refused?.split(" ")[0];
  assert.match(err, new RegExp(`^${id}  ${first.nodes[1]!.ip}: the other agent: `, "m"));
  assert.match(err, new RegExp(`run holding deposit, or holding close: ${id}\\n$`));
  assert.deepEqual((await lab.free(0)).second, [5, 1024]);

  assert.equal((await second.run("node", "resume", "theirs1")).code, 0);
  assert.equal((await lab.run("holding", "deposit", id!, ...to)).code, 0);
  assert.deepEqual((await lab.free(1)).second, [5, 1024]);
});

test("neither agent gives more than it has, and the node catches the one that would, with its own signed tickets", async () => {
  await using lab = await togetherLab({ nodes: 1 });
  const { first, second } = lab;
  const { ip, name } = first.nodes[0]!;
  const [granted] = await lab.grant("--node", ip, ...PART);
  await second.agent.gather();

  const own = (slice: string, memory_mib: number) => {
    const resources = { cpu_millis: 0, memory_mib, disk_mib: 512, egress_kbps: 0 };
    const asked = { slice, ntickets: 1, leaselen: DAY, ips: [ip], resources };
    return first.agentClient.newtickets(asked);
  };
  await own("most", 3000);
  await assert.rejects(own("more", 73), refusal("NO_CAPACITY", /72 of 73 MiB/));
  const tooMuch = await lab.run(
    ...["holding", "grant", "--to", second.agent.announce.tls, "--identity", second.identity.name],
    ...["--node", ip, "--percent", "50"],
  );
  assert.equal(tooMuch.code, 1);
  assert.match(tooMuch.err, /NO_CAPACITY: 72 of 2048 MiB of memory are left under holding/);

  await ticket(lab, "one", 0, 1000);
  await assert.rejects(ticket(lab, "two", 0, 25), refusal("NO_CAPACITY", /24 of 25 MiB/));

  const honest = await ticket(lab, "three", 0, 24);
  const document = parseDocument(honest);
  const anchor = { nodeKey: first.nodes[0]!.identity.signingKey.public };
  const { ticket: like } = openTicket(honest, anchor).leaf as { ticket: SliceTicket };
  const lineage = document.parents.flatMap(lineageOf);
  const forge = (slice: string, memoryMib: number, at: number) => {
    const body = writeTicket({
      ...like,
      ...{ slice, serial: serial(at), resources: { ...like.resources, memoryMib } },
    });
    return signDocument(second.keys.current, body, lineage);
  };
  await lab.node(0).newlease({ ticketdata: forge("cheat1", 1000, 41) });
  const over = lab.node(0).newlease({ ticketdata: forge("cheat2", 25, 42) });
  await assert.rejects(over, refusal("NO_CAPACITY", new RegExp(`the holding ${granted!.slice(0, 12)}`)));
  const [lease] = await first.nodes[0]!.leases();
  assert.equal(
    lease!.slice,
    "cheat1",
    "the lease names the ticket that only the second agent can have signed",
  );
  assert.deepEqual(
    await lab.free(0).then(({ first: [, memory] }) => memory),
    72,
    "no concern of the first agent",
  );
  assert.equal(name, lease!.node);
  await lab.checkBooks();
});

test("a grant that is closed is free when its node says that nothing is leased beneath it, and not before", async () => {
  await using lab = await togetherLab({ nodes: 1 });
  const { first, second } = lab;
  const [granted] = await lab.grant("--all", ...PART);
  await second.agent.gather();
  const [used, unused] = [await ticket(lab, "used"), await ticket(lab, "unused")];
  await lab.node(0).newlease({ ticketdata: used });
  first.clock.advance(60);
  assert.equal((await lab.run("holding", "close", granted!.slice(0, 16))).code, 0);
  assert.deepEqual((await lab.free(0)).first, [15, 3072], "an operator's wish frees nothing");
  await first.agent.scan();
  assert.deepEqual((await lab.free(0)).first, [15, 3072], "one lease is left beneath it");
  const listed = await lab.run("holding", "list");
  assert.match(listed.out, /handed on +127\.0\.7\.1 +second +5 +1024 MiB +\S+ \S+ +closing +1\n/);
  await assert.rejects(lab.node(0).newlease({ ticketdata: unused }), refusal("REVOKED"));

  assert.deepEqual((await lab.free(0)).second, [3, 768], "the second agent has not heard of it yet");
  await second.agent.scan();
  await assert.rejects(ticket(lab, "late"), refusal("NO_CAPACITY", /not held by this agent now/));
  assert.deepEqual(await second.bob.getads({ limit: 10 }), []);

  await lab.node(0).deletelease({ slice: "used" });
  await first.agent.scan();
  assert.deepEqual((await lab.free(0)).first, [20, 4096]);
  assert.match((await lab.run("holding", "close", granted!)).err, /already/);
  await lab.checkBooks();
});

test("whoever was given a part can give it back at the node, and its giver hears of it from there", async () => {
  await using lab = await togetherLab({ nodes: 1 });
  const { first, second } = lab;
  const [granted] = await lab.grant("--all", ...PART);
  const { out: document } = await second.run("holding", "show", granted!);
  const connections = new Connections(clientTlsOptions(second.identity.tls));
  try {
    const { manager, name: expectedPeer } = first.nodes[0]!;
    const asSecond = xmlRpcClient(nodeManagerApi, { url: manager.url, connections, expectedPeer });
    await asSecond.canceltickets({ tickets: [document.slice(0, -1)] });
  } finally {
    connections[Symbol.dispose]();
  }
  await eventually(
    async () => {
      await first.agent.scan();
      return (await lab.free(0)).first[0] === 20;
    },
    { what: "what was given back being free" },
  );
});

test("a part handed on for a time is free after it, and one renewed counts once, as much as the larger", async () => {
  await using lab = await togetherLab({ nodes: 1 });
  const { first, second } = lab;
  const [day] = await lab.grant("--all", ...PART, "--days", "1");
  assert.deepEqual(await lab.free(0), { first: [15, 3072], second: [5, 1024] });
  const larger = ["--slivers", "6", "--memory-mib", "512", "--disk-mib", "5000", "--cpu-millis", "1000"];
  const [renewed] = await lab.grant("--renews", day!, ...larger, "--days", "2");
  assert.deepEqual(
    (await lab.free(0)).first,
    [14, 3072],
    "the larger in every dimension, while both are in term",
  );
  assert.deepEqual((await lab.free(0)).second, [6, 1024]);
  const [beside] = await lab.grant("--all", ...PART);
  assert.deepEqual((await lab.free(0)).first, [9, 2048], "one that renews nothing counts beside it");
  const pieces = await first.database.rows<{ slivers: number; memory_mib: number }>(
    "select slivers, memory_mib from grant_charges where line = $1 order by counted_from",
    [day],
  );
  assert.deepEqual(pieces, [
    { slivers: 6, memory_mib: 1024 },
    { slivers: 6, memory_mib: 512 },
  ]);
  const again = await lab.run(
    ...["holding", "deposit", renewed!, beside!, "--to"],
    second.agent.announce.tls,
    ...["--identity", second.identity.name],
  );
  assert.equal(again.code, 0, again.err);

  first.clock.advance(DAY + 301);
  await first.agent.scan();
  assert.deepEqual((await lab.free(0)).first, [9, 2560]);
  first.clock.advance(DAY);
  await first.agent.scan();
  assert.deepEqual((await lab.free(0)).first, [15, 3072]);
  assert.deepEqual(await lab.free(0).then(({ second: there }) => there), [5, 1024]);
  await lab.checkBooks();
});
