import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { readClockState } from "#services/resource-monitor/clock-state.ts";
import { monitorConfig } from "#services/resource-monitor/config.ts";
import { writePacket } from "#shared/wire/ganglia/packet.ts";
import { eventually } from "#test/support/deadline.ts";
import { dumpAt, listener, monitorLab, send, told } from "./monitor-lab.ts";

type MetricsShown = {
  readonly tables: { readonly metrics: { readonly rows: readonly { name: string; value: unknown }[] } };
};

async function pageOf(web: string): Promise<string> {
  return await (await fetch(web)).text();
}

/** Waits until the monitor's page has this line. */
async function counted(web: string, line: string): Promise<void> {
  await eventually(async () => (await pageOf(web)).split("\n").includes(line), { what: line });
}

test("a monitor shows its own node first, alive since it started", async () => {
  await using lab = await monitorLab();
  lab.clock.advance(7);
  const own = (await dumpAt(lab.monitor.announce.xml)).get("own");
  assert.deepEqual([own?.cluster, own?.ip, own?.location, own?.tn], ["lab", "192.0.2.7", "here", 7]);
  assert.equal(own?.started, lab.clock.now() - 7);
  assert.ok(own?.metrics.some(({ name, type }) => name === "load_one" && type === "float"));
  await lab.monitor.round();
  assert.equal((await dumpAt(lab.monitor.announce.xml)).get("own")?.tn, 0);
});

test("what is sent is shown: under the sender's address, or under the one that is named", async () => {
  await using lab = await monitorLab();
  const { udp, xml } = lab.monitor.announce;
  await send(udp, ...told("plain", "m", `<&"é`), ...told("10.1.2.3:spoofed", "m", "2", true));
  const hosts = await eventually(async () => {
    const hosts = await dumpAt(xml);
    return hosts.get("spoofed")?.metrics.length === 1 && hosts;
  });
  assert.deepEqual([hosts.get("plain")?.ip, hosts.get("plain")?.metrics[0]?.value], ["127.0.0.1", `<&"é`]);
  assert.equal(hosts.get("spoofed")?.ip, "10.1.2.3");
});

test("what is malformed, or speaks for this node, is counted and harms nothing", async () => {
  await using lab = await monitorLab();
  const { udp, xml, web } = lab.monitor.announce;
  const before = await dumpAt(xml);
  const forged = told("192.0.2.7:own", "load_one", "0", true);
  await send(
    udp,
    Buffer.alloc(0),
    Buffer.from("hello"),
    Buffer.alloc(2000),
    ...told("no address", "m", "1", true),
  );
  await send(udp, ...forged);
  await counted(web, 'slicelab_monitor_packets_dropped_total{reason="malformed"} 5');
  await counted(web, 'slicelab_monitor_packets_dropped_total{reason="own_name"} 2');
  assert.deepEqual(await dumpAt(xml), before);
});

test("a flood fills no more than the table, and the node stays in the dump", async () => {
  await using lab = await monitorLab({ limits: { hosts: 5, packets_of_sender: 40 } });
  const { udp, xml, web } = lab.monitor.announce;
  for (let host = 0; host < 30; host += 1) await send(udp, ...told(`h${host}`, "m", "1"));
  await counted(web, 'slicelab_monitor_packets_dropped_total{reason="rate"} 20');
  await counted(web, 'slicelab_monitor_packets_dropped_total{reason="hosts_full"} 30');
  assert.equal((await dumpAt(xml)).size, 6);
  lab.clock.advance(1);
  await send(udp, ...told("h0", "m", "2"));
  await eventually(async () => (await dumpAt(xml)).get("h0")?.metrics[0]?.value === "2");
});

test("senders that are not listed are not listened to", async () => {
  await using lab = await monitorLab({ listen: { from: ["10.0.0.0/8", "::1"] } });
  const { udp, xml, web } = lab.monitor.announce;
  await send(udp, ...told("h", "m", "1"));
  await counted(web, 'slicelab_monitor_packets_dropped_total{reason="sender"} 2');
  assert.deepEqual([...(await dumpAt(xml)).keys()], ["own"]);
  for (const from of ["10.0.0.0/33", "somewhere", "10.0.0.0/x"])
    await assert.rejects(monitorLab({ listen: { from: [from] } }), { name: "OperatorError" });
});

test("one monitor is told of another's node", async () => {
  await using listener = await monitorLab();
  const { udp, xml } = listener.monitor.announce;
  await using teller = await monitorLab({ name: "other", announce: { to: [`127.0.0.1:${udp}`] } });
  const other = await eventually(async () => {
    const other = (await dumpAt(xml)).get("other");
    return other?.metrics.some(({ name }) => name === "disk_free") && other;
  });
  assert.deepEqual([other.ip, other.location, other.started > 0], ["192.0.2.7", "here", true]);
  listener.clock.advance(100);
  assert.equal((await dumpAt(xml)).get("other")?.tn, 100, "it is silent");
  await teller.monitor.round();
  await eventually(async () => (await dumpAt(xml)).get("other")?.tn === 0, { what: "its next round" });
});

test("what metrics mean is told at first, now and then, and when somebody asks", async () => {
  const { heard, port, close } = await listener();
  await using lab = await monitorLab({ announce: { to: [`127.0.0.1:${port}`] } });
  const kinds = () => heard.map(({ kind, id }) => `${kind} ${id.name}`);
  const round = async () => {
    heard.length = 0;
    await lab.monitor.round();
    await eventually(() => kinds().includes("value disk_free"));
    return kinds().includes("metadata load_one");
  };
  await eventually(() => kinds().includes("value disk_free"));
  assert.deepEqual(kinds().slice(0, 2), ["metadata heartbeat", "metadata location"]);
  assert.equal(await round(), false);
  const { udp, web } = lab.monitor.announce;
  await send(udp, { kind: "request", id: { host: "own", name: "load_one", spoof: false } });
  await counted(web, "slicelab_monitor_packets_taken_total 1");
  assert.equal(await round(), true);
  assert.equal(await round(), false);
  lab.clock.advance(60);
  assert.equal(await round(), true);
  await close();
});

test("it is asked what metrics mean that were heard without that, once in a while, of those who are told and nobody else", async () => {
  const asked = await listener();
  const stranger = await listener();
  await using lab = await monitorLab({ announce: { to: [`127.0.0.1:${asked.port}`] } });
  const { udp, web } = lab.monitor.announce;
  const requests = () => asked.heard.filter(({ kind }) => kind === "request").map(({ id }) => id.name);
  const value = (host: string, name: string) => told(host, name, "1", true)[1]!;
  await send(udp, ...told(`127.0.0.1:h`, "explained", "1", true), value("127.0.0.1:h", "bare"));
  await send(udp, value("127.0.0.1:h", "heartbeat"), value("192.0.2.7:own", "slice_own_cpu"));
  await eventually(() => requests().length > 0);
  await send(udp, value("127.0.0.1:h", "bare"), value("127.0.0.1:h", "other"));
  await eventually(() => requests().includes("other"));
  assert.deepEqual(requests(), ["bare", "other"], "not at once again");
  lab.clock.advance(60);
  await send(udp, value("127.0.0.1:h", "bare"));
  await eventually(() => requests().length === 3);

  await counted(web, "slicelab_monitor_metadata_requests_total 3");
  assert.deepEqual(stranger.heard, []);
  await Promise.all([asked.close(), stranger.close()]);
});

test("a multicast group is listened to, as gmond's are", async () => {
  const group = "239.2.11.71";
  await using lab = await monitorLab({ listen: { join: group } });
  const { udp, xml } = lab.monitor.announce;
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.setMulticastInterface("127.0.0.1");
  for (const packet of told("h", "m", "1")) socket.send(writePacket(packet), udp, group);
  await eventually(async () => (await dumpAt(xml)).get("h")?.metrics.length === 1);
  await send(udp, ...told("direct", "m", "1"));
  await eventually(async () => (await dumpAt(xml)).get("direct")?.metrics.length === 1);
  socket.close();
});

test("/metrics is OpenMetrics, and the page shows the same", async () => {
  await using lab = await monitorLab();
  const { web } = lab.monitor.announce;
  const response = await fetch(web);
  assert.match(response.headers.get("content-type") ?? "", /^application\/openmetrics-text; version=1\.0\.0/);
  const page = await response.text();
  assert.match(page, /^# TYPE slicelab_node_load_one gauge\n# HELP .*\nslicelab_node_load_one [\d.]+$/m);
  if (readClockState()) assert.match(page, /^slicelab_node_clock_synchronised [01]$/m);
  assert.match(page, /\n# EOF\n$/);
  for (const line of page.trimEnd().split("\n"))
    assert.match(line, /^(# (TYPE|HELP) [a-z_]+ .+|# EOF|[a-z_]+(\{reason="[a-z_]+"\})? [\d.e+]+)$/);
  const shown = (await (await fetch(new URL("/index.json", web))).json()) as MetricsShown;
  const loads = shown.tables.metrics.rows.filter(({ name }) => name === "load_one");
  assert.equal(loads.length, 1);
  assert.equal(typeof loads[0]?.value, "number");
  assert.equal((await fetch(new URL("/other", web))).status, 404);
});

test("a configuration that cannot be is refused by name", () => {
  for (const to of ["host", "host:0", "host:65536", "::1:8649", "a b:1"])
    assert.throws(() => monitorConfig.parse({ announce: { to: [to] } }), /HOST:PORT/, to);
  const { announce } = monitorConfig.parse({ announce: { to: ["[::1]:8649", "n-1.example:1"] } });
  assert.deepEqual(announce.to, [
    { host: "::1", port: 8649 },
    { host: "n-1.example", port: 1 },
  ]);
  assert.throws(() => monitorConfig.parse({ node: { name: "a:b" } }), /letters/);
});
