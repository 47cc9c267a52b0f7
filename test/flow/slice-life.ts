import assert from "node:assert/strict";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import type { TestbedProcess } from "#test/support/testbed.ts";

const publickey = newSshKeyPair("a test").publicKey;

async function slice(lab: TestbedProcess, ...argv: string[]): Promise<void> {
  const { code, err } = await lab.command("alice", ...argv);
  assert.equal(code, 0, `slice ${argv.join(" ")}: ${err}`);
}

/** A slice on every node, created, renewed and deleted by the `slice` command. */
export async function sliceLife(lab: TestbedProcess, name: string): Promise<void> {
  await slice(lab, "create", name, "--nodes", String(lab.description.nodes.length));
  await slice(lab, "renew", name);
  await slice(lab, "delete", name);
}

/** The same by calls, as a program that keeps no journal would make them. */
export async function wireLife(lab: TestbedProcess, who: "alice" | "bob", name: string): Promise<void> {
  const { agent, nodes } = lab.clients[who];
  const ips = lab.description.nodes.map(({ ip }) => ip);
  const order = { slice: name, ntickets: ips.length, leaselen: 3600, ips };
  const tickets = await agent.newtickets(order);
  await Promise.all(nodes.map((node, at) => node.newleasevm({ ticketdata: tickets[at]!, publickey })));
  await Promise.all(nodes.map((node) => node.renewlease({ slice: name })));
  await Promise.all(nodes.map((node) => node.deletelease({ slice: name })));
}

/** Leases everything the agent holds, on every node, and ends it again: nobody else may have anything. */
export async function wholeNodes(lab: TestbedProcess, name: string): Promise<void> {
  const { agent, nodes } = lab.clients.alice;
  const ads = await agent.getads({ limit: 1000 });
  for (const [at, { node, ip }] of lab.description.nodes.entries()) {
    const ad = ads.find((one) => typeof one !== "string" && one.node === node);
    assert.ok(typeof ad === "object");
    const { slivers: _, ...resources } = ad.resources;
    const order = { slice: name, ntickets: 1, leaselen: 3600, ips: [ip], resources };
    const [ticketdata] = await agent.newtickets(order);
    assert.ok(await nodes[at]!.newlease({ ticketdata: ticketdata! }));
    assert.equal(await nodes[at]!.deletelease({ slice: name }), 1);
  }
}
