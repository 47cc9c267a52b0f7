import assert from "node:assert/strict";
import { test } from "node:test";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { openLease } from "#shared/wire/lease-document.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { eventually } from "../../../support/deadline.ts";
import { temporaryDirectory } from "../../../support/directory.ts";
import { DAY } from "../../../support/documents.ts";
import { revocationsBy } from "../../../support/revocations.ts";
import { checkSums, refusal } from "../agent-lab.ts";
import { agentBeneath, togetherLab } from "./together-lab.ts";

const HALF = ["--slivers", "6", "--memory-mib", "2048", "--disk-mib", "8000", "--cpu-millis", "1000"];
const PART = ["--slivers", "3", "--memory-mib", "1024", "--disk-mib", "4000", "--cpu-millis", "500"];

test("through three agents: advertised, issued, redeemed, renewed, given back and freed, until the one in the middle loses its part, or its key is revoked", async () => {
  await using owned = new AsyncDisposableStack();
  const lab = owned.use(await togetherLab({ nodes: 1 }));
  const { first, second } = lab;
  const [node] = first.nodes;
  const { path: directory } = owned.use(await temporaryDirectory());
  const carol = await first.authority.client("carol of a third consortium");
  const above = { agent: second.agent, certificate: second.identity.certPem };
  const third = owned.use(await agentBeneath(above, { first, directory, name: "third", researcher: carol }));
  const { certPem: certificate } = third.identity;
  await second.registry.addPrincipal({ label: "third", role: "agent", certificate });
  const connections = owned.use(new Connections(clientTlsOptions(carol.tls)));
  const atNode = xmlRpcClient(nodeManagerApi, {
    ...{ url: node!.manager.url, connections, expectedPeer: node!.name },
  });
  const scanAll = async () => {
    for (const { agent } of [first, second, third]) await agent.scan();
  };

  // Handed on, and on again; what a link cannot give is refused there.
  const [toSecond] = await lab.grant("--node", "node0", ...HALF);
  await second.agent.gather();
  const to = ["--to", third.agent.announce.tls, "--identity", third.identity.name];
  const tooMuch = await second.run("holding", "grant", "--all", ...to, ...HALF, "--memory-mib", "2049");
  assert.match(tooMuch.err, /BAD_CHAIN|NO_CAPACITY/);
  const handedOn = await second.run("holding", "grant", "--all", ...to, ...PART);
  assert.equal(handedOn.code, 0, handedOn.err);
  await third.agent.gather();
  assert.deepEqual(await third.bob.getads(), [node!.ip]);
  const free = async () => {
    const [ad] = await third.bob.getads({ nodes: [node!.name] });
    return typeof ad === "object" ? [ad.free.slivers, ad.free.memory_mib] : [];
  };
  assert.deepEqual(await free(), [3, 1024]);
  assert.deepEqual(await lab.free(0), { first: [14, 2048], second: [3, 1024] });
  const again = await third.run("holding", "grant", "--all", ...to, ...PART, "--slivers", "1");
  assert.match(again.err, /can be split into tickets only/, "a chain has four links at most");

  const resources = { cpu_millis: 100, memory_mib: 256, disk_mib: 512, egress_kbps: 0 };
  const ticket = async (slice: string, leaselen = DAY) =>
    (await third.bob.newtickets({ slice, ntickets: 1, leaselen, ips: [node!.ip], resources }))[0]!;
  const [used, given] = [await ticket("used"), await ticket("given")];
  assert.equal(used.split("\n").filter((line) => line.startsWith("parent-base64: ")).length, 3);
  const open = (text: string) => openLease(text, node!.identity.signingKey.public);
  const lease = open(await atNode.newlease({ ticketdata: used }));
  const renewed = open(await atNode.renewlease({ slice: "used", lease_serial: lease.serial }));
  assert.equal(renewed.term.end, lease.term.end + DAY);
  const further = await ticket("used", 4 * DAY);
  const longer = open(
    await atNode.renewlease({ slice: "used", lease_serial: lease.serial, ticketdata: further }),
  );
  assert.ok(longer.term.end > renewed.term.end);
  assert.deepEqual((await third.bob.releasetickets({ tickets: [given] }))[0]!.state, "released");
  await atNode.deletelease({ slice: "used" });
  await eventually(async () => {
    await scanAll();
    assert.deepEqual(await free(), [3, 1024]);
    return true;
  });

  // The middle one loses its part: nothing is redeemed beneath it, what is leased lives on and counts until it ends.
  const [kept, late] = [await ticket("kept"), await ticket("late")];
  await atNode.newlease({ ticketdata: kept });
  first.clock.advance(60);
  assert.equal((await lab.run("holding", "close", toSecond!)).code, 0);
  await scanAll();
  await assert.rejects(atNode.newlease({ ticketdata: late }), refusal("REVOKED"));
  await assert.rejects(ticket("later"), refusal("NO_CAPACITY", /not held by this agent now/));
  assert.deepEqual(await third.bob.getads({ limit: 10 }), [], "it advertises the node no more");
  assert.deepEqual((await lab.free(0)).first, [14, 2048]);
  await atNode.deletelease({ slice: "kept" });
  await eventually(async () => {
    await scanAll();
    assert.deepEqual((await lab.free(0)).first, [20, 4096]);
    return true;
  });

  // The middle one's key is revoked: the nodes end what stands on it, and the third has nothing more.
  await lab.grant("--node", "node0", ...HALF);
  await second.agent.gather();
  assert.equal((await second.run("holding", "grant", "--all", ...to, ...PART)).code, 0);
  await third.agent.gather();
  const [last, never] = [await ticket("last"), await ticket("never")];
  await atNode.newlease({ ticketdata: last });
  const list = revocationsBy(first.authority.authority.key, 5, { key: [second.identity.name] });
  await atNode.postrevocations({ list });
  await third.bob.postrevocations({ list });
  await eventually(async () => (await node!.leases()).length === 0, { what: "leases beneath ending" });
  await assert.rejects(atNode.newlease({ ticketdata: never }), refusal("REVOKED"));
  first.clock.advance(60);
  await third.agent.scan();
  await assert.rejects(ticket("more"), refusal("NO_CAPACITY"));
  for (const { database } of [first, second, third]) await checkSums({ database });
});
