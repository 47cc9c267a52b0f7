import assert from "node:assert/strict";
import { test } from "node:test";
import { publicKeyFromSpki } from "#shared/identity/key.ts";
import { loadKeyFile } from "#shared/identity/key-file.ts";
import type { Holding } from "#shared/model/ticket.ts";
import { openSliceTicket } from "#shared/wire/chain.ts";
import { DAY, NOW, type Sealed, seal, serial } from "../../../support/documents.ts";
import { type AgentLab, agentLab, refusal } from "../agent-lab.ts";
import { FACTS } from "../facts.ts";

const ONE = { slice: "princeton_dns", ntickets: 1, leaselen: DAY };

/** What the first agent splits from a root it holds for the ticket key of the second. */
async function handedOn(
  from: AgentLab,
  root: Sealed<Holding>,
  to: Buffer,
  overrides: Partial<Holding> = {},
): Promise<Sealed<Holding>> {
  const key = publicKeyFromSpki(to);
  const { resources } = root.ticket;
  const holding: Holding = {
    ...root.ticket,
    ...{ serial: serial(30), parent: root.id, issuer: root.ticket.principal, splits: 2 },
    ...{ principal: key.name, principleSha1: key.sha1, principalKey: key.spki },
    resources: { ...resources, slivers: 3, memoryMib: 512 },
    ...overrides,
  };
  return seal(holding, await loadKeyFile(from.config.ticket_key), root.lineage);
}

test("an agent that holds tickets of another agent advertises them as its own, and its tickets are the node's", async () => {
  await using first = await agentLab({ deposited: false, share: { slivers: 8 } });
  await using second = await agentLab({ deposited: false });
  const [node] = first.nodes;
  const root = await node.deposit();
  const holding = await handedOn(first, root, second.ticketKey);
  await second.bob.client.deposittickets({ tickets: [holding.text] });
  // The node reports to the second agent, too: only from then on is it alive there.
  assert.deepEqual(await second.plainClient().getads(), []);
  await second.nodes[0].client.deposittickets({ tickets: [], facts: FACTS });
  assert.deepEqual(await second.plainClient().getads(), [node.ip]);

  const [ad] = await second.plainClient().getads({ nodes: [node.name], from: "2030-01-01 12:00:00" });
  assert.ok(typeof ad === "object");
  assert.equal(ad.resources.slivers, 3, "what it was handed, not what the root has");
  assert.equal(ad.free.memory_mib, 512);
  assert.deepEqual(ad.engines, FACTS.engines);
  const document = await (await fetch(new URL("/nodes.xml", second.agent.announce.web))).text();
  assert.match(document, new RegExp(`<node_sha256>${node.name}</node_sha256>`));

  const [text] = await second.alice.client.newtickets({ ...ONE, ips: "0.0.0.0" });
  const chain = openSliceTicket(text!, { nodeKey: node.signingKey.public }, NOW);
  assert.deepEqual(
    chain.above.map(({ id }) => id),
    [root.id, holding.id],
  );
  assert.equal(chain.leaf.ticket.issuer, publicKeyFromSpki(second.ticketKey).name);
  for (const slice of ["s1", "s2"]) await second.alice.client.newtickets({ ...ONE, slice, ips: [node.ip] });
  const fourth = second.alice.client.newtickets({ ...ONE, slice: "s3", ips: [node.ip] });
  await assert.rejects(fourth, refusal("NO_CAPACITY"));
});

test("a holding of another agent that is wider than what it was split from is refused, and advertised by nobody", async () => {
  await using first = await agentLab({ deposited: false, share: { slivers: 8 } });
  await using second = await agentLab({ deposited: false });
  const root = await first.nodes[0].deposit();
  const { resources, term } = root.ticket;
  for (const wider of [
    { resources: { ...resources, slivers: 9 } },
    { term: { ...term, end: term.end + 1 } },
    { splits: 3 },
  ]) {
    const { text } = await handedOn(first, root, second.ticketKey, wider);
    await assert.rejects(second.bob.client.deposittickets({ tickets: [text] }), refusal("BAD_CHAIN"));
  }
  const elsewhere = await handedOn(first, root, first.ticketKey);
  await assert.rejects(
    second.bob.client.deposittickets({ tickets: [elsewhere.text] }),
    refusal("NOT_PRINCIPAL", /ticket key/),
  );
  assert.deepEqual(await second.plainClient().getads({ limit: 10 }), []);
});
