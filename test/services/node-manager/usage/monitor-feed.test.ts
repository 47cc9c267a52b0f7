import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Usage } from "#services/node-manager/backends/backend.ts";
import { startAnnouncer } from "#services/node-manager/usage/announcer.ts";
import type { MonitorFeed } from "#services/node-manager/usage/feeds.ts";
import { type Rates, UsageHistory } from "#services/node-manager/usage/history.ts";
import { sliceMetrics } from "#services/node-manager/usage/monitor-metrics.ts";
import type { Counted } from "#services/node-manager/usage/slicestat.ts";
import { silentLog } from "#shared/runtime/log.ts";
import type { DumpHost } from "#shared/wire/ganglia/host.ts";
import { metadataPacket, valuePacket } from "#shared/wire/ganglia/host-metric.ts";
import type { Target } from "#shared/wire/ganglia/target.ts";
import { gmond, withoutGmond } from "#test/services/resource-monitor/gmond.ts";
import { dumpAt, listener, monitorLab, send, told } from "#test/services/resource-monitor/monitor-lab.ts";
import { eventually } from "#test/support/deadline.ts";
import { KEYS } from "#test/support/documents.ts";
import { type NodeLab, nodeLab } from "../lab/node-lab.ts";

const OWN = { ip: "192.0.2.7", name: "own" };
const SLICE = "princeton_dns";
const USED: Usage = {
  ...{ cpuMicroseconds: 2e6, memoryBytes: 64 * 1024 * 1024, processes: 7, diskBytes: 0 },
  network: {
    sent: { bytes: 1000, packets: 1 },
    received: { bytes: 500, packets: 1 },
    alarming: { bytes: 0, packets: 0 },
  },
};

const NOTHING: Rates = [0, 0, 0];

const at = (port: number): Target => ({ host: "127.0.0.1", port });

/** A node manager that tells these, and its slices to `slicesTo` alone. It is told again by starting it again. */
async function teller(announceTo: readonly Target[], slicesTo = announceTo): Promise<NodeLab> {
  const monitor: MonitorFeed = { of: OWN, announceTo, slicesTo, everySeconds: 1 };
  const lab = await nodeLab({ config: { monitor } });
  lab.backend.usage = async () => USED;
  return lab;
}

/** What a host is said to be, by metric. */
function valuesOf(host: DumpHost | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries((host?.metrics ?? []).map(({ name, value }) => [name, value]));
}

test("a node's monitor and a collector are told that its manager lives, whose it is, and what slices use", async () => {
  await using own = await monitorLab();
  await using collector = await monitorLab({ name: "collector" });
  const ports = [own, collector].map(({ monitor }) => at(monitor.announce.udp));
  await using lab = await teller(ports);
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  await lab.restart();
  for (const { monitor } of [own, collector]) {
    const host = await eventually(async () => {
      const host = (await dumpAt(monitor.announce.xml)).get("own");
      return `slice_${SLICE}_tx` in valuesOf(host) && host;
    });
    assert.equal(host.ip, OWN.ip);
    const values = valuesOf(host);
    assert.equal(values.slicelab_node_manager, String(lab.clock.now()), "when it was started");
    assert.equal(values.slicelab_node, KEYS.node.public.name);
    const metric = (what: string) => host.metrics.find(({ name }) => name === `slice_${SLICE}_${what}`);
    assert.deepEqual(
      ["cpu", "memory", "rx", "tx"].map((what) => [metric(what)?.value, metric(what)?.units]),
      [
        ["0.0", "%"],
        ["65536", "KB"],
        ["0.0", "bytes/sec"],
        ["0.0", "bytes/sec"],
      ],
    );
    assert.deepEqual([metric("cpu")?.type, metric("cpu")?.extra], ["float", [["GROUP", "slices"]]]);
  }
  const told = (await dumpAt(own.monitor.announce.xml)).get("own");
  assert.ok("load_one" in valuesOf(told), "beside what the monitor sees for itself");

  await lab.alice.deletelease({ slice: SLICE });
  own.clock.advance(91);
  await eventually(async () => {
    const values = valuesOf((await dumpAt(own.monitor.announce.xml)).get("own"));
    return values.slicelab_node_manager !== undefined && !(`slice_${SLICE}_cpu` in values);
  });
});

test("slices are told to those alone who should hear of them, and to nobody without any", async () => {
  await using near = await monitorLab();
  await using far = await monitorLab({ name: "far" });
  await using lab = await teller([at(far.monitor.announce.udp)], [at(near.monitor.announce.udp)]);
  await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
  await lab.restart();
  const seen = async ({ monitor }: typeof near) => valuesOf((await dumpAt(monitor.announce.xml)).get("own"));
  await eventually(async () => `slice_${SLICE}_cpu` in (await seen(near)));
  await eventually(async () => "slicelab_node" in (await seen(far)));
  assert.deepEqual(Object.keys(await seen(far)).toSorted(), ["slicelab_node", "slicelab_node_manager"]);
  assert.equal("slicelab_node" in (await seen(near)), false);
});

/** An announcer of so many slivers, each seen `age` seconds ago; `live` may be changed. */
function announcing({ slivers, port, age = 0 }: { slivers: number; port: number; age?: number }) {
  const history = new UsageHistory();
  const live: Counted[] = [];
  const add = (slice: string) => {
    history.record(slice, USED, 100_000);
    live.push({ slice, sliver: slice });
  };
  for (let i = 0; i < slivers; i += 1) add(`s${i}`);
  const announcer = startAnnouncer({
    ...{ of: OWN, node: "ab".repeat(32), started: 1, announceTo: [at(port)], slicesTo: [at(port)] },
    ...{ everySeconds: 30, live: () => live, history, uptime: () => 100_000 + age * 1000, log: silentLog() },
  });
  return { ...announcer, add };
}

test("what a metric means is told with its first value, and with others only now and then", async () => {
  const { heard, port, close } = await listener();
  const kinds = () => heard.map(({ kind, id }) => `${kind} ${id.name}`);
  await using announcer = announcing({ slivers: 1, port });
  await announcer.round();
  await eventually(() => kinds().includes("value slice_s0_tx"));
  assert.ok(kinds().includes("metadata slice_s0_tx"));
  announcer.add("s1");
  heard.length = 0;
  await announcer.round();
  await eventually(() => kinds().includes("value slice_s1_tx"));
  assert.deepEqual(
    kinds().filter((line) => line.startsWith("metadata slice_")),
    ["cpu", "memory", "rx", "tx"].map((what) => `metadata slice_s1_${what}`),
  );
  await close();
});

test("five hundred slices are told, and no more, and the process is free for other work meanwhile", async () => {
  await using lab = await monitorLab({ limits: { packets_of_sender: 100_000 } });
  const { udp, xml } = lab.monitor.announce;
  await using announcer = announcing({ slivers: 700, port: udp });
  let turns = 0;
  const ticks = setInterval(() => {
    turns += 1;
  }, 1);
  const before = process.cpuUsage();
  const began = performance.now();
  await announcer.round();
  const { user, system } = process.cpuUsage(before);
  clearInterval(ticks);
  const busy = (user + system) / 1000 / (performance.now() - began);
  assert.ok(turns >= 40 && busy < 0.5, `other work had ${turns} turns and ${1 - busy} of the time`);
  const host = await eventually(async () => {
    const host = (await dumpAt(xml)).get("own");
    return `slice_s499_tx` in valuesOf(host) && host;
  });
  assert.equal(host.metrics.filter(({ name }) => name.startsWith("slice_")).length, 2000);
});

test("what an engine said long ago is not told as if it were so now", async () => {
  await using lab = await monitorLab();
  const { udp, xml } = lab.monitor.announce;
  await using announcer = announcing({ slivers: 1, port: udp, age: 61 });
  await announcer.round();
  await eventually(async () => "slicelab_node" in valuesOf((await dumpAt(xml)).get("own")));
  assert.equal("slice_s0_cpu" in valuesOf((await dumpAt(xml)).get("own")), false);
});

test("a monitor whose name is not to be found is told nothing, and all others are", async () => {
  await using lab = await monitorLab();
  const { udp, xml } = lab.monitor.announce;
  await using node = await teller([{ host: "no..where", port: 8649 }, at(udp)]);
  await eventually(async () => "slicelab_node" in valuesOf((await dumpAt(xml)).get("own")));
  await eventually(() => node.logged.some((line) => line.includes("no..where")));
  await node.alice.newlease({ ticketdata: (await node.ticket()).text });
});

describe("with Debian's gmond in the monitor's place", { skip: withoutGmond }, () => {
  test("it shows all of it on the node that our monitor told of", async () => {
    await using real = await gmond();
    await using _monitor = await monitorLab({ announce: { to: [`127.0.0.1:${real.port}`] } });
    await using lab = await teller([at(real.port)]);
    await lab.alice.newlease({ ticketdata: (await lab.ticket()).text });
    await lab.restart();
    const host = await eventually(async () => {
      const host = (await dumpAt(real.port)).get("own");
      return `slice_${SLICE}_tx` in valuesOf(host) && "load_one" in valuesOf(host) && host;
    });
    const values = valuesOf(host);
    assert.deepEqual(
      [values.slicelab_node, values[`slice_${SLICE}_memory`]],
      [KEYS.node.public.name, "65536"],
    );
    const cpu = host.metrics.find(({ name }) => name === `slice_${SLICE}_cpu`);
    assert.deepEqual([cpu?.tmax, cpu?.dmax, cpu?.extra], [60, 90, [["GROUP", "slices"]]]);
  });

  test("it forgets a slice that nobody tells of any more", async () => {
    await using real = await gmond();
    const recent = { ...{ usage: USED, processors: 0, at: 0 }, sent: NOTHING, received: NOTHING };
    const packets = sliceMetrics("gone", recent).flatMap(({ metadata, ...metric }) => {
      const short = { ...metric, metadata: { ...metadata, dmax: 1 } };
      return [metadataPacket(OWN, short), valuePacket(OWN, short)];
    });
    await send(real.port, ...packets, ...told("192.0.2.7:own", "stays", "1", true));
    const names = async () => Object.keys(valuesOf((await dumpAt(real.port)).get("own"))).toSorted();
    await eventually(async () => (await names()).length === 5);
    await eventually(async () => (await names()).join() === "stays");
  });
});
