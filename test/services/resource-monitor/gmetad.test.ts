import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "#test/support/deadline.ts";
import { gmetad, withoutGmetad } from "./gmetad.ts";
import { dumpAt, monitorLab, send, told } from "./monitor-lab.ts";

test("Debian's gmetad polls our monitor, and its own dump is read", { skip: withoutGmetad }, async () => {
  await using lab = await monitorLab();
  await send(lab.monitor.announce.udp, ...told("10.0.0.9:other", "state", "ok", true));
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
  assert.equal(theirs.get("other")?.metrics[0]?.value, "ok");
});
