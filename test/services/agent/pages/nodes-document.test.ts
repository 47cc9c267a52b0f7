import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { type NodesHead, nodesDocument } from "#services/agent/pages/nodes-document.ts";
import { addNodesRoute, MAX_READERS, type NodesFeed } from "#services/agent/pages/nodes-route.ts";
import { openTicketKeys } from "#services/agent/signing/ticket-keys.ts";
import type { Advertisement } from "#services/agent/store/issuing/advertisements.ts";
import { Fault } from "#shared/model/errors.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { startWebServer, type WebServer } from "#shared/web/server.ts";
import { readXml } from "#shared/wire/xml.ts";
import { eventually } from "../../../support/deadline.ts";
import { DAY, NOW } from "../../../support/documents.ts";
import { agentLab } from "../agent-lab.ts";
import { enrolFleet } from "../fleet.ts";

const HEAD: NodesHead = { agent: "ab".repeat(32), version: "0.1.0", now: NOW, overbooking: 1000 };
const SHARE = { cpuMillis: 1, memoryMib: 2, diskMib: 3, egressKbps: 4, slivers: 5 };
const AD: Advertisement = {
  ...{ node: "cd".repeat(32), ip: "10.0.0.1", tags: [], engines: [], images: [], abilities: [] },
  ...{ simulated: false, drained: false, resources: SHARE, free: SHARE, until: NOW + DAY, overbooking: 1000 },
};

/** Each plain element of a document as "path=text", read by the house's own strict reader. */
function said(text: string): string[] {
  const path: string[] = [];
  const all: string[] = [];
  let plain = "";
  readXml(
    Buffer.from(text),
    { maxBytes: 64 << 20, maxDepth: 8 },
    {
      open: (name) => {
        path.push(name);
        plain = "";
      },
      text: (piece) => {
        plain += piece;
      },
      close: () => {
        if (plain.trim() !== "") all.push(`${path.slice(1).join("/")}=${plain}`);
        path.pop();
        plain = "";
      },
    },
  );
  return all;
}

async function* pagesOf(...pages: readonly Advertisement[][]): AsyncGenerator<readonly Advertisement[]> {
  yield* pages;
}

async function written(pieces: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
}

function served(feed: () => NodesFeed): Promise<WebServer> {
  const log = silentLog();
  return startWebServer({
    ...{ address: "127.0.0.1", port: 0, service: "Slicelab agent", routes: [], log },
    ...{ now: () => NOW, ready: () => undefined, more: (app) => addNodesRoute(app, feed, log) },
  });
}

/** A web server whose document has as many pages as are asked for, and how many were. */
async function countedWeb(pages: number) {
  const count = { made: 0 };
  async function* counted(): AsyncGenerator<readonly Advertisement[]> {
    for (; count.made < pages; count.made++) yield Array.from({ length: 200 }, () => AD);
  }
  const web = await served(() => ({ now: NOW, pieces: nodesDocument(HEAD, counted()) }));
  return { web, count, url: `http://127.0.0.1:${web.port}/nodes.xml` };
}

/** Somebody who asks for the document and reads nothing of it. */
async function silentReader(port: number) {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.write("GET /nodes.xml HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  return socket;
}

test("the document says of each node what getads says of it, and whose it is", async () => {
  await using lab = await agentLab({ share: { slivers: 8, memoryMib: 1000 } });
  const [node, other] = lab.nodes;
  await lab.registry.addSite("princeton");
  await lab.database.run("update principals set site = 'princeton' where name = $1", [node.name]);
  await lab.database.run(
    "update nodes set latitude = 40.35, longitude = -74.66, country = 'us', region = 'na', tags = '{owner=cs,rack=4}' where node = $1",
    [node.name],
  );
  const call = { slice: "oceanstore", ntickets: 1, leaselen: DAY, ips: [node.ip] };
  await lab.alice.client.newtickets(call);
  const answer = await fetch(new URL("/nodes.xml", lab.agent.announce.web));
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "application/xml; charset=utf-8");
  const document = await answer.text();
  assert.ok(!document.includes("oceanstore") && !document.includes("alice"));
  const all = said(document);
  assert.equal(all[0], `agent_sha256=${lab.agent.announce.agent}`);
  const [ad] = await lab.plainClient().getads({ nodes: [node.name] });
  assert.ok(typeof ad === "object");
  const from = all.indexOf(`node/node_sha256=${node.name}`);
  const next = all.findIndex((line, at) => at > from && line.startsWith("node/node_sha256="));
  assert.deepEqual(all.slice(from, next < 0 ? undefined : next), [
    `node/node_sha256=${ad.node}`,
    `node/ip=${ad.ip}`,
    "node/sslport=8001",
    "node/site=princeton",
    "node/where/latitude=40.35",
    "node/where/longitude=-74.66",
    "node/where/country=us",
    "node/where/region=na",
    "node/where/tag=owner=cs",
    "node/where/tag=rack=4",
    "node/engines/engine/name=simulated",
    "node/engines/engine/ability=ports",
    "node/engines/engine/ability=administrative",
    "node/images/image=debian-12",
    "node/simulated=true",
    ...["cpu_millis", "memory_mib", "disk_mib", "egress_kbps", "slivers"].map(
      (name) => `node/resources/${name}=${ad.resources[name as keyof typeof ad.resources]}`,
    ),
    ...["cpu_millis", "memory_mib", "disk_mib", "egress_kbps", "slivers"].map(
      (name) => `node/free/${name}=${ad.free[name as keyof typeof ad.free]}`,
    ),
    `node/overbooking=${ad.overbooking}`,
    `node/held_until_time=${ad.held_until}`,
    `node/heard_time=${ad.heard}`,
  ]);
  assert.ok(all.includes("node/free/slivers=7") && all.includes("node/free/memory_mib=872"));
  await lab.registry.suspend("node1", true);
  const later = await (await fetch(new URL("/nodes.xml", lab.agent.announce.web))).text();
  assert.ok(later.includes(node.name) && !later.includes(other.name));
});

test("it has every node of a large fleet once, in their order", async () => {
  await using lab = await agentLab({ deposited: false });
  const keys = await openTicketKeys(lab.config.ticket_key, undefined);
  const fleet = await enrolFleet(lab.database, keys, lab.clock, { nodes: 1001 });
  const answer = await fetch(new URL("/nodes.xml", lab.agent.announce.web));
  assert.equal(answer.headers.get("content-encoding"), "gzip", "fetch asks for it");
  const names = said(await answer.text()).flatMap((line) => line.match(/^node\/node_sha256=(.*)/)?.[1] ?? []);
  assert.deepEqual(names, fleet.map(({ key }) => key.public.name).toSorted());
});

test("who asks again with the document's date gets nothing new for a quarter of a minute", async () => {
  await using lab = await agentLab();
  const url = new URL("/nodes.xml", lab.agent.announce.web);
  const first = await fetch(url, { headers: { "accept-encoding": "gzip;q=0, identity" } });
  assert.equal(first.headers.get("content-encoding"), null);
  assert.match(first.headers.get("cache-control")!, /max-age=15/);
  await first.text();
  const date = first.headers.get("last-modified")!;
  const status = async (since: string) => {
    const answer = await fetch(url, { headers: { "if-modified-since": since }, cache: "no-store" });
    await answer.arrayBuffer();
    return answer.status;
  };
  assert.equal(await status(date), 304);
  assert.equal(await status("soon"), 200);
  assert.equal(await status(new Date((NOW + 5) * 1000).toUTCString()), 200);
  lab.clock.advance(14);
  assert.equal(await status(date), 304);
  lab.clock.advance(1);
  assert.equal(await status(date), 200);
});

test("no page is made before its reader has taken those before it", async () => {
  const { web, count } = await countedWeb(5000);
  await using _ = web;
  const reader = await silentReader(web.port);
  await eventually(() => reader.bytesRead > 0 || count.made > 0);
  // It stands when the buffers of both ends are full: the same number twice, with a turn of the loop for each page.
  let before = -1;
  await eventually(async () => {
    const same = count.made === before;
    before = count.made;
    return same;
  });
  assert.ok(count.made < 500, `${count.made} of 5000 pages were made for nobody`);
  reader.destroy();
});

test("only so many read at once, and one who leaves makes room", async () => {
  const { web, url } = await countedWeb(Number.POSITIVE_INFINITY);
  await using _ = web;
  const readers = await Promise.all(Array.from({ length: MAX_READERS }, () => silentReader(web.port)));
  const status = async () => {
    const answer = await fetch(url);
    await answer.body?.cancel();
    return answer;
  };
  await eventually(async () => (await status()).status === 503);
  assert.equal((await status()).headers.get("retry-after"), "5");
  readers[0]!.destroy();
  await eventually(async () => (await status()).status === 200);
  for (const reader of readers) reader.destroy();
});

test("a database that fails is an error page before the document, and a document cut short within it", async () => {
  async function* failing(pages: number): AsyncGenerator<readonly Advertisement[]> {
    for (let at = 0; at < pages; at++) yield [AD];
    throw new Fault("STORE_DOWN", "the database cannot be reached");
  }
  let pages = 0;
  await using web = await served(() => ({ now: NOW, pieces: nodesDocument(HEAD, failing(pages)) }));
  const url = `http://127.0.0.1:${web.port}/nodes.xml`;
  for (let at = 0; at <= MAX_READERS; at++) {
    const down = await fetch(url);
    assert.equal(down.status, 503);
    assert.match(await down.text(), /database cannot be reached/);
    assert.equal(down.headers.get("cache-control"), "no-store");
  }
  pages = 1;
  for (let at = 0; at <= MAX_READERS; at++) {
    await assert.rejects(async () => (await fetch(url)).text());
  }
});

test("whatever a value says, it is only text", async () => {
  const nasty = `</site><node>&"]]>\r`;
  const document = await written(nodesDocument(HEAD, pagesOf([{ ...AD, site: nasty, tags: [nasty] }], [])));
  assert.ok(said(document).includes(`node/site=${nasty}`));
  assert.equal(said(document).filter((line) => line.startsWith("node/node_sha256")).length, 1);
});

test("it says how a node is, as far as anybody knows", async () => {
  const known = { ...AD, heard: NOW - 5, liveness: 993, load: 1.25, cpus: 4, monitored: NOW - 20 };
  const all = said(await written(nodesDocument(HEAD, pagesOf([known, AD], []))));
  const from = all.indexOf("node/heard_time=2030-01-01 11:59:55");
  assert.deepEqual(all.slice(from, from + 6), [
    "node/heard_time=2030-01-01 11:59:55",
    "node/liveness=993",
    "node/load=1.25",
    "node/cpus=4",
    "node/monitored_time=2030-01-01 11:59:40",
    `node/node_sha256=${AD.node}`,
  ]);
  assert.equal(all.filter((line) => /^node\/(load|cpus|liveness|monitored_time)/.test(line)).length, 4);
});

test("an agent that holds nothing says so in a whole document", async () => {
  const none = said(await written(nodesDocument(HEAD, pagesOf([]))));
  assert.equal(none.length, 4);
  assert.equal(none.at(-1), "overbooking=1000");
});
