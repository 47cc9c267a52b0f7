import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";
import { parseDocument } from "#shared/wire/document.ts";
import { DAY } from "../../support/documents.ts";
import { agentLab, refusal } from "./agent-lab.ts";

const FOUR = { slice: "princeton_dns", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };

test("getconfig says where the agent listens, what it gives, and its ticket key", async () => {
  await using lab = await agentLab();
  const config = await lab.plainClient().getconfig();
  const port = (url: string | undefined) => Number(new URL(url!).port);
  assert.equal(config.sslport, port(lab.agent.announce.tls));
  assert.equal(config.port, port(lab.agent.announce.plain));
  assert.equal(config.httpport, port(lab.agent.announce.web));
  assert.equal(config.maxlease, 28 * DAY);
  assert.equal(config.overbooking, 1000);
  assert.equal(config.agent, lab.agent.announce.agent);
  assert.deepEqual(config.default_resources, {
    cpu_millis: 100,
    memory_mib: 128,
    disk_mib: 512,
    egress_kbps: 1000,
  });
  assert.equal(config.ticket_key, lab.ticketKey.toString("base64"));
});

test("the ticket key is made once, for its owner's eyes, and stays the same", async () => {
  await using lab = await agentLab();
  assert.equal(statSync(lab.config.ticket_key).mode & 0o777, 0o600);
  await lab.restart();
  assert.equal((await lab.alice.client.getconfig()).ticket_key, lab.ticketKey.toString("base64"));
});

test("getads without arguments lists addresses of live nodes with something to give, as v0.5's did", async () => {
  await using lab = await agentLab({ nodes: 4 });
  const ips = lab.nodes.map(({ ip }) => ip);
  assert.deepEqual((await lab.plainClient().getads()).toSorted(), ips);
  lab.clock.advance(301);
  await lab.nodes[1].client.settletickets({});
  await lab.nodes[2]!.client.settletickets({});
  await lab.registry.suspend("node2", true);
  assert.deepEqual(await lab.alice.client.getads(), [ips[1]]);
});

test("advertisements say what is held and free, in the order of nodes, a page at a time", async () => {
  await using lab = await agentLab({ nodes: 5, share: { slivers: 4, memoryMib: 1000 } });
  const [node] = lab.nodes;
  await lab.alice.client.newtickets({ ...FOUR, ips: [node.ip] });
  const ads = await lab.alice.client.getads({ limit: 1000 });
  const names = ads.map((ad) => (typeof ad === "object" ? ad.node : ""));
  assert.deepEqual(names, lab.nodes.map(({ name }) => name).toSorted());
  const ad = ads.find((one) => typeof one === "object" && one.ip === node.ip);
  assert.ok(typeof ad === "object");
  assert.equal(ad.resources.slivers, 4);
  assert.equal(ad.free.slivers, 3);
  assert.equal(ad.free.memory_mib, 1000 - 128);
  assert.equal(ad.load, null);
  assert.equal(ad.site, "");
  const pages: string[] = [];
  for (let after: string | undefined; ; after = pages.at(-1)) {
    const page = await lab.alice.client.getads({ after, limit: 2 });
    pages.push(...page.map((one) => (typeof one === "object" ? one.node : "")));
    if (page.length < 2) break;
  }
  assert.deepEqual(pages, names);
});

test("free is what is free over the whole term that is asked about, as far as it is held", async () => {
  await using lab = await agentLab({ share: { slivers: 4 } });
  const [node] = lab.nodes;
  await lab.alice.client.newtickets({ ...FOUR, ips: [node.ip] });
  const free = async (from: string, to: string) => {
    const [ad] = await lab.bob.client.getads({ ips: [node.ip], from, to });
    return typeof ad === "object" ? ad.free.slivers : undefined;
  };
  assert.equal(await free("2030-01-01 12:00:00", "2030-01-01 13:00:00"), 3);
  assert.equal(await free("2030-01-03 11:59:59", "2030-01-04 12:00:00"), 3);
  assert.equal(await free("2030-01-03 12:00:00", "2030-01-04 12:00:00"), 4);
  assert.equal(await free("2040-01-01 00:00:00", "2041-01-01 00:00:00"), 0, "nothing is held then");
  const longer = { from: "2030-01-03 12:00:00", to: "2041-01-01 00:00:00" };
  assert.equal(await free(longer.from, longer.to), 4);
  const [ad] = await lab.bob.client.getads({ ips: [node.ip], ...longer });
  assert.ok(typeof ad === "object" && ad.held_until && ad.held_until < longer.to);
  const resources = { cpu_millis: 0, memory_mib: 1, disk_mib: 1, egress_kbps: 0 };
  const during = { ips: [node.ip], resources, from: longer.from };
  assert.equal((await lab.bob.client.getads({ ...during, to: ad.held_until })).length, 1);
  assert.equal((await lab.bob.client.getads({ ...during, to: longer.to })).length, 0);
  for (const term of [{ from: "soon" }, { from: "2030-01-02 00:00:00", to: "2030-01-02 00:00:00" }]) {
    await assert.rejects(lab.bob.client.getads(term), refusal("MALFORMED"));
  }
});

test("filters leave out what does not fit", async () => {
  await using lab = await agentLab({ share: { slivers: 1 } });
  const [node, other] = lab.nodes;
  await lab.alice.client.newtickets({ ...FOUR, ips: [node.ip] });
  const names = async (filter: Parameters<typeof lab.alice.client.getads>[0]) =>
    (await lab.alice.client.getads(filter)).map((ad) => (typeof ad === "object" ? ad.ip : ad));
  const sliver = { cpu_millis: 0, memory_mib: 1, disk_mib: 1, egress_kbps: 0 };
  assert.deepEqual(await names({ resources: sliver }), [other.ip]);
  assert.deepEqual(await names({ resources: { ...sliver, memory_mib: 1_000_000 } }), []);
  assert.deepEqual(await names({ nodes: [node.name] }), [node.ip]);
  assert.deepEqual(await names({ ips: [node.ip], nodes: [other.name] }), []);
  assert.deepEqual(await names({ engine: "container" }), []);
  assert.equal((await names({ engine: "simulated", image: "debian-12" })).length, 2);
  assert.deepEqual(await names({ image: "other" }), []);
});

test("filters ask where a node is, what is held there at all, and that it was heard lately", async () => {
  await using lab = await agentLab({ nodes: 3, share: { slivers: 1, memoryMib: 1000 } });
  const [node, other, third] = lab.nodes;
  await lab.registry.addSite("princeton");
  await lab.registry.addSite("intel");
  const place = (one: typeof node, site: string, region: string, tags: string[]) =>
    lab.database.run(
      `with at as (update nodes set country = 'us', region = $3, tags = $4 where node = $1)
       update principals set site = $2 where name = $1`,
      [one.name, site, region, tags],
    );
  await place(node, "princeton", "na-east", ["rack=4", "owner=cs"]);
  await place(other, "intel", "na-west", ["rack=4"]);
  const ips = async (filter: Parameters<typeof lab.alice.client.getads>[0]) =>
    (await lab.plainClient().getads(filter)).map((ad) => (typeof ad === "object" ? ad.ip : ad)).toSorted();
  assert.deepEqual(await ips({ sites: ["princeton"] }), [node.ip]);
  assert.deepEqual(await ips({ sites: ["princeton", "intel", "elsewhere"] }), [node.ip, other.ip]);
  assert.deepEqual(await ips({ sites: [] }), []);
  assert.deepEqual(await ips({ country: "us" }), [node.ip, other.ip]);
  assert.deepEqual(await ips({ country: "us", region: "na-west" }), [other.ip]);
  assert.deepEqual(await ips({ tags: ["rack=4"] }), [node.ip, other.ip]);
  assert.deepEqual(await ips({ tags: ["rack=4", "owner=cs"] }), [node.ip]);
  assert.deepEqual(await ips({ tags: ["rack"] }), []);

  await lab.alice.client.newtickets({ ...FOUR, ips: [node.ip] });
  const sliver = { cpu_millis: 0, memory_mib: 1000, disk_mib: 1, egress_kbps: 0 };
  assert.deepEqual(await ips({ resources: sliver }), [other.ip, third!.ip]);
  assert.deepEqual(await ips({ held: sliver }), [node.ip, other.ip, third!.ip], "held, though not free");
  assert.deepEqual(await ips({ held: { ...sliver, memory_mib: 1001 } }), []);

  lab.clock.advance(60);
  await other.client.settletickets({});
  assert.deepEqual(await ips({ heard_within: 59 }), [other.ip]);
  assert.deepEqual(await ips({ heard_within: 60 }), [node.ip, other.ip, third!.ip]);
  const unknown = { regoin: "na-west" } as object;
  await assert.rejects(lab.alice.client.getads(unknown), refusal("MALFORMED", /regoin/));
  await assert.rejects(lab.alice.client.getads({ heard_within: -1 }), refusal("MALFORMED", /heard_within/));
});

test("gettickets lists what its caller can still redeem; without a certificate, everyone's", async () => {
  await using lab = await agentLab();
  const [mine] = await lab.alice.client.newtickets({ ...FOUR, slice: "mine" });
  const [theirs] = await lab.bob.client.newtickets({ ...FOUR, slice: "theirs" });
  assert.deepEqual(await lab.alice.client.gettickets(), [mine]);
  assert.deepEqual((await lab.plainClient().gettickets()).toSorted(), [mine, theirs].toSorted());
  const node = lab.nodes.find(({ ip }) => parseDocument(mine!).body.includes(`<ip>${ip}</ip>`))!;
  await node.client.settletickets({ redeemed: [parseDocument(mine!).id] });
  assert.deepEqual(await lab.alice.client.gettickets(), []);
  lab.clock.advance(3600 + 299);
  assert.deepEqual(await lab.bob.client.gettickets(), [theirs]);
  lab.clock.advance(1);
  assert.deepEqual(await lab.bob.client.gettickets(), []);
});

test("getslices names the slices that count, until they end by time", async () => {
  await using lab = await agentLab();
  await lab.alice.client.newtickets({ ...FOUR, slice: "short", leaselen: 600 });
  await lab.bob.client.newtickets({ ...FOUR, slice: "long" });
  assert.deepEqual(await lab.plainClient().getslices(), ["long", "short"]);
  lab.clock.advance(1200);
  assert.deepEqual(await lab.plainClient().getslices(), ["long"]);
});

test("the plain port answers plain methods and nothing else", async () => {
  await using lab = await agentLab();
  const plain = lab.plainClient();
  const description = "<slice><name>x</name><nodes>1</nodes><lease_seconds>600</lease_seconds></slice>";
  await assert.rejects(plain.newtickets(FOUR), refusal("NO_CERTIFICATE"));
  await assert.rejects(plain.gettickets({ description }), refusal("NO_CERTIFICATE"));
  await assert.rejects(plain.deposittickets({ tickets: [] }), refusal("NO_CERTIFICATE"));
  await assert.rejects(plain.settletickets({}), refusal("NO_CERTIFICATE"));
});
