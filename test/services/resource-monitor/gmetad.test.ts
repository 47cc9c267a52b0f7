import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { isThere } from "#testbed/packages.ts";
import { daemon, freePort } from "./gmond.ts";
import { dumpAt, monitorLab, send, told } from "./monitor-lab.ts";

const withoutGmetad = !isThere("gmetad") && "gmetad is not installed";

test("Debian's gmetad polls our monitor, and its own dump is read", { skip: withoutGmetad }, async () => {
  await using lab = await monitorLab();
  await send(lab.monitor.announce.udp, ...told("10.0.0.9:other", "state", "ok", true));
  await using directory = await temporaryDirectory();
  const port = await freePort();
  const config = join(directory.path, "gmetad.conf");
  const settings = [
    `data_source "lab" 1 127.0.0.1:${lab.monitor.announce.xml}`,
    `gridname "grid"`,
    `xml_port ${port}`,
    `interactive_port ${await freePort()}`,
    "setuid off",
    "write_rrds off",
    `rrd_rootdir "${directory.path}"`,
    "all_trusted on",
    "case_sensitive_hostnames 1",
  ];
  await writeFile(config, `${settings.join("\n")}\n`);
  await chmod(directory.path, 0o777);
  await using _gmetad = daemon("gmetad", ["-d", "1", "-c", config]);
  const ours = await dumpAt(lab.monitor.announce.xml);
  const theirs = await eventually(async () => {
    const hosts = await dumpAt(port);
    return hosts.has("own") && hosts.has("other") && hosts;
  });
  const own = theirs.get("own")!;
  assert.deepEqual([own.cluster, own.ip, own.location], ["lab", "192.0.2.7", "here"]);
  assert.equal(own.started, ours.get("own")?.started);
  assert.equal(own.metrics.length, ours.get("own")?.metrics.length);
  assert.equal(theirs.get("other")?.metrics[0]?.value, "ok");
});
