import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import type { Fleet } from "#services/agent/pages/fleet.ts";
import {
  nodePage,
  nodesPage,
  overviewPage,
  sitePage,
  sitesPage,
  slicePage,
  slicesPage,
  troublePage,
} from "#services/agent/pages/pages.ts";
import { troubles } from "#services/agent/pages/trouble.ts";
import { pageHtml } from "#shared/web/page.ts";
import { DAY, NOW } from "../../../support/documents.ts";
import { agentLab } from "../agent-lab.ts";

/** The status of a request whose Host header says something else than its address. */
function statusFor(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on("error", reject).end();
  });
}

test("the page shows what is held, used and free, and where slices are, not whose", async () => {
  await using lab = await agentLab({ share: { slivers: 8 } });
  const [node, other] = lab.nodes;
  await lab.alice.client.newtickets({
    slice: "oceanstore",
    ntickets: 2,
    leaselen: DAY,
    ips: [node.ip, other.ip],
  });
  const answer = await fetch(lab.agent.announce.web);
  const page = await answer.text();
  assert.equal(answer.status, 200);
  assert.match(page, /10\.77\.0\.1/);
  assert.match(page, /1 \/ 8 /);
  assert.match(page, /oceanstore/);
  assert.match(page, /simulated/);
  assert.ok(!page.includes("alice") && !page.includes(lab.alice.name));
});

test("nothing on it runs, is framed, or comes from elsewhere", async () => {
  await using lab = await agentLab();
  const { web } = lab.agent.announce;
  const answer = await fetch(web);
  const policy = answer.headers.get("content-security-policy")!;
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.ok(!policy.includes("unsafe"));
  const page = await answer.text();
  assert.ok(!/<script(?! src="\/script\.js)|style=|\son\w+=|https?:\/\//.test(page));
  assert.equal((await fetch(new URL("/style.css", web))).status, 200);
});

test("it is there to be read: other methods, places and hosts get nothing", async () => {
  await using lab = await agentLab();
  const { web } = lab.agent.announce;
  for (const method of ["POST", "PUT", "DELETE"]) {
    assert.equal((await fetch(web, { method })).status, 404);
  }
  assert.equal((await fetch(new URL("/../etc/passwd", web))).status, 404);
  assert.equal(await statusFor(web, "evil.example"), 421);
  assert.equal(await statusFor(web, new URL(web).host), 200);
});

const SHARE = { cpuMillis: 1, memoryMib: 1, diskMib: 1, egressKbps: 1, slivers: 1 };

/** A fleet of one node, with one slice and one monitor, whose every name is this. */
function fleetNamed(name: string): Fleet {
  const ad = {
    ...{ node: name, ip: name, site: name, tags: [name], engines: [name], images: [name], abilities: [] },
    ...{ country: name, region: name, latitude: 1, longitude: 1, simulated: false, drained: false },
    ...{ resources: SHARE, free: SHARE, until: NOW, heard: NOW - 600, monitored: NOW, load: 1, cpus: 2 },
    overbooking: 1000,
  };
  const condition = { node: name, memoryAvailableMib: 5, booted: NOW - 60, manager: NOW - 600 };
  const polled = { name, answered: 1, failed: 1, lastAnswer: NOW - 60, hosts: 1, nodes: 1 };
  return {
    ...{ now: NOW, agent: name, version: name, overbooking: 1000, limit: 500, ads: [ad], idle: 2 },
    conditions: new Map([[name, condition]]),
    monitors: [{ ...polled, lastFailure: NOW, failure: name }],
    slices: [
      { slice: name, nodes: 1, issued: 0, redeemed: 0, until: NOW + 60, soonest: NOW + 60, ending: 1 },
    ],
    shortages: [{ slice: name, live: 2, asked: 3, lost: [{ ip: name, node: name, why: name, at: NOW - 9 }] }],
  };
}

const FRAME = {
  ...{ service: "Slicelab agent", links: [], path: "/", style: "/style.css", script: "/script.js" },
  icon: "/icon.svg",
  parameters: new URLSearchParams(),
};

test("whatever a name says, it is only text, on every page", () => {
  const nasty = `"><script>alert('1')</script>&`;
  const fleet = fleetNamed(nasty);
  const slivers = [
    {
      slice: nasty,
      node: nasty,
      ip: nasty,
      site: nasty,
      state: "issued" as const,
      from: NOW,
      until: NOW,
      through: nasty,
    },
  ];
  const pages = [overviewPage, troublePage, nodesPage, sitesPage, slicesPage].map((page) => page(fleet));
  pages.push(nodePage(fleet, fleet.ads[0]!, slivers), slicePage(fleet, nasty, slivers));
  pages.push(sitePage(fleet, nasty)!);
  for (const page of pages) {
    const text = pageHtml(page, FRAME);
    assert.ok(!text.includes("<script>") && !text.includes("'1'"), page.title);
    assert.match(text, /&quot;&gt;&lt;script&gt;/);
  }
  const text = pageHtml(overviewPage(fleet), FRAME);
  assert.match(text, /1\.00 \/ 2/);
  assert.match(text, /up 1 min, 5 MiB unused/);
  assert.match(text, /the machine is up, its node manager was seen 10 min ago/);
});

test("what is wrong is said with its reason: silence, failing monitors, what ends, what gives nothing", () => {
  const reasons = troubles(fleetNamed("x")).map(({ of, reason }) => `${of}: ${reason}`);
  assert.deepEqual(reasons, [
    "slice: has 2 of 3 nodes (x: x)",
    "slice: can be renewed on 1 of 1 nodes for 60 seconds and no longer",
    "holding: what is held there ends in 0 seconds; its node has not renewed it",
    "node: reported last 10 min ago; the machine is up, its node manager was seen 10 min ago",
    "node: registered here, but nothing is held of it now: its owner may not have chosen this agent",
    "monitor: x",
  ]);
  assert.match(troubles(fleetNamed("x"))[0]!.todo, /slice repair x/);
  const well = fleetNamed("x");
  const [ad] = well.ads;
  const healthy = {
    ...well,
    idle: 0,
    monitors: [],
    slices: [],
    shortages: [],
    ads: [{ ...ad!, heard: NOW, until: NOW * 2 }],
  };
  assert.deepEqual(troubles(healthy), []);
});

test("a node, a site and a slice have a page each, as JSON too", async () => {
  await using lab = await agentLab();
  const [node] = lab.nodes;
  const { name } = node;
  await lab.alice.client.newtickets({ slice: "dns", ntickets: 1, leaselen: DAY, ips: [node.ip] });
  const read = async (path: string) => {
    const answer = await fetch(new URL(path, lab.agent.announce.web));
    return { status: answer.status, text: await answer.text() };
  };
  const ofNode = await read(`/nodes/${name}.json`);
  const { tables, notices, used_slivers } = JSON.parse(ofNode.text);
  assert.deepEqual(notices, ["Slivers are simulated there: nothing real is made."]);
  assert.deepEqual(tables.slivers.rows[0].slice, "dns");
  assert.equal(used_slivers, 1);
  const ofSlice = await read("/slices/dns");
  assert.match(ofSlice.text, new RegExp(`${node.ip.replaceAll(".", "\\.")}[^]*ticket to redeem`));
  assert.ok(!ofSlice.text.includes(lab.alice.name));
  assert.equal((await read("/slices/none")).status, 404);
  assert.equal((await read("/nodes/none")).status, 404);
  assert.equal((await read("/sites/none.json")).status, 404);
  const nodes = JSON.parse((await read("/nodes.json?nodes.sort=-ip")).text);
  assert.deepEqual(
    nodes.tables.nodes.rows.map(({ ip }: { ip: string }) => ip),
    lab.nodes.map(({ ip }) => ip).toReversed(),
  );
  assert.equal((await read("/ready")).status, 200);
  await lab.database.run("update nodes set drained = now() where node = $1", [name]);
  const drained = JSON.parse((await read(`/nodes/${name}.json`)).text);
  assert.match(drained.notices[0], /^It is drained: nothing new/);
  assert.equal(drained.used_slivers, null, "nothing is free, but that says nothing of what is used");
  assert.match((await read("/nodes")).text, /<span class="tag">drained<\/span>/);
});
