import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "#test/support/deadline.ts";
import { dumpAt, type MonitorLab, monitorLab, send, told } from "./monitor-lab.ts";

const of = (name: string, value: string) => told("192.0.2.7:own", name, value, true);

async function ownMetrics({ monitor }: MonitorLab): Promise<Readonly<Record<string, string>>> {
  const own = (await dumpAt(monitor.announce.xml)).get("own");
  return Object.fromEntries((own?.metrics ?? []).map(({ name, value }) => [name, value]));
}

async function page({ monitor }: MonitorLab): Promise<string> {
  return await (await fetch(monitor.announce.web)).text();
}

function dropped(lab: MonitorLab, reason: string, count: number): Promise<true> {
  const line = `slicelab_monitor_packets_dropped_total{reason="${reason}"} ${count}`;
  return eventually(async () => (await page(lab)).split("\n").includes(line), { what: line });
}

test("what is said on the node of it stands beside what the monitor sees, and never instead of it", async () => {
  await using lab = await monitorLab();
  const before = await ownMetrics(lab);
  await send(lab.monitor.announce.udp, ...of("load_one", "99"), ...of("heartbeat", "1"), ...of("extra", "1"));
  await dropped(lab, "own_name", 4);
  await eventually(async () => (await ownMetrics(lab)).extra === "1");
  const { extra: _, ...seen } = await ownMetrics(lab);
  assert.deepEqual(seen, before);
});

test("a flood from the node itself takes no more than the place for it, and nothing from what is seen or heard", async () => {
  await using lab = await monitorLab({ limits: { metrics_of_host: 20, packets_of_sender: 10_000 } });
  const { udp } = lab.monitor.announce;
  const before = await ownMetrics(lab);
  for (let i = 0; i < 60; i += 1) await send(udp, ...of(`slice_s${i}_cpu`, "1"));
  await dropped(lab, "metrics_full", 80);
  const after = await ownMetrics(lab);
  assert.equal(Object.keys(after).length, Object.keys(before).length + 20);
  for (const [name, value] of Object.entries(before)) assert.equal(after[name], value);
  await send(udp, ...told("10.0.0.1:other", "m", "1", true));
  await eventually(async () => (await dumpAt(lab.monitor.announce.xml)).has("other"));
  assert.equal((await page(lab)).match(/^slicelab_slice_cpu_percent\{/gm)?.length, 20);
});

test("the page has numbers of slices and nothing that was dressed up as one", async () => {
  await using lab = await monitorLab();
  const hostile = ["NaN", "1e999", "", "0x10", "1 2", "<b>1</b>", '1"} 2', "9".repeat(400)];
  await send(
    lab.monitor.announce.udp,
    ...hostile.flatMap((value, i) => of(`slice_bad${i}_cpu`, value)),
    ...['slice_a"} 1_cpu', "slice_A_cpu", "slice__cpu", "slice_é_rx", "xslice_a_cpu", "slice_a_disk"].flatMap(
      (name) => of(name, "1"),
    ),
    ...of("slicelab_node_manager", "yesterday"),
    ...of("slice_good_dns_memory", "2"),
  );
  const line = 'slicelab_slice_memory_bytes{slice="good_dns"} 2048';
  await eventually(async () => (await page(lab)).split("\n").includes(line), { what: line });
  const others = (await page(lab)).split("\n").filter((one) => /^slicelab_(slice|node_manager)_/.test(one));
  assert.deepEqual(others, [line]);
});

test("packets that are sent again later say again what they said, until their time is over, and no more", async () => {
  await using lab = await monitorLab();
  const { udp, xml } = lab.monitor.announce;
  const recorded = of("slice_gone_cpu", "7").map((packet) =>
    packet.kind === "metadata" ? { ...packet, metadata: { ...packet.metadata, dmax: 90 } } : packet,
  );
  const shown = async () => (await ownMetrics(lab)).slice_gone_cpu;
  for (let replay = 0; replay < 3; replay += 1) {
    await send(udp, ...recorded);
    await eventually(async () => (await shown()) === "7");
    lab.clock.advance(91);
    assert.equal(await shown(), undefined);
  }
  assert.equal((await dumpAt(xml)).size, 1);
});
