import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rates } from "#services/node-manager/usage/history.ts";
import { nodeManagerMetrics, sliceMetrics } from "#services/node-manager/usage/monitor-metrics.ts";
import { metadataPacket, valuePacket } from "#shared/wire/ganglia/host-metric.ts";
import { eventually } from "#test/support/deadline.ts";
import { gmetad, withoutGmetad } from "./gmetad.ts";
import { dumpAt, monitorLab, send, told } from "./monitor-lab.ts";

const NOTHING: Rates = [0, 0, 0];

test("Debian's gmetad polls our monitor with all it heard, and its own dump is read", {
  skip: withoutGmetad,
}, async () => {
  await using lab = await monitorLab();
  await send(lab.monitor.announce.udp, ...told("10.0.0.9:other", "state", "ok", true));
  const of = { ip: "192.0.2.7", name: "own" };
  const usage = { memoryBytes: 4096, cpuMicroseconds: 0, processes: 1, diskBytes: 0 };
  const recent = { usage, processors: 0.25, sent: NOTHING, received: NOTHING, at: 0 };
  const metrics = [...nodeManagerMetrics("ab".repeat(32), 1234), ...sliceMetrics("princeton_dns", recent)];
  const packets = metrics.flatMap((metric) => [metadataPacket(of, metric), valuePacket(of, metric)]);
  await send(lab.monitor.announce.udp, ...packets);
  await eventually(async () =>
    (await dumpAt(lab.monitor.announce.xml)).get("own")?.metrics.some(({ value }) => value === "4"),
  );
  await using real = await gmetad(lab.monitor.announce.xml);
  const ours = await dumpAt(lab.monitor.announce.xml);
  const theirs = await eventually(async () => {
    const hosts = await dumpAt(real.port);
    return hosts.has("own") && hosts.has("other") && hosts;
  });
  const own = theirs.get("own")!;
  assert.deepEqual([own.cluster, own.ip, own.location], ["lab", "192.0.2.7", "here"]);
  assert.equal(own.started, ours.get("own")?.started);
  assert.equal(own.metrics.length, ours.get("own")?.metrics.length);
  const metric = (name: string) => own.metrics.find((one) => one.name === name);
  assert.deepEqual(
    ["slicelab_node", "slicelab_node_manager", "slice_princeton_dns_cpu"].map((n) => metric(n)?.value),
    ["ab".repeat(32), "1234", "25.0"],
  );
  const { units, type, dmax } = metric("slice_princeton_dns_cpu")!;
  assert.deepEqual([units, type, dmax], ["%", "float", 90]);
  assert.equal(theirs.get("other")?.metrics[0]?.value, "ok");
});
