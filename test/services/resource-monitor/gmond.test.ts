import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "#test/support/deadline.ts";
import { runToSuccess } from "#test/support/program.ts";
import { ownPort } from "#testbed/own-port.ts";
import { gmond, withoutGmond } from "./gmond.ts";
import { dumpAt, listener, monitorLab, send, told } from "./monitor-lab.ts";

describe("with Debian's gmond", { skip: withoutGmond }, () => {
  test("it shows our node by the name and address that the node gives itself, alive, with its metrics", async () => {
    await using real = await gmond();
    await using lab = await monitorLab({ announce: { to: [`127.0.0.1:${real.port}`] } });
    const ours = (await dumpAt(lab.monitor.announce.xml)).get("own");
    const theirs = await eventually(async () => {
      const seen = (await dumpAt(real.port)).get("own");
      return seen?.metrics.length === ours?.metrics.length && seen;
    });
    assert.deepEqual([theirs.cluster, theirs.ip, theirs.location], ["real", "192.0.2.7", "here"]);
    assert.equal(theirs.started, ours?.started, "our heartbeat is a heartbeat to it");
    const byName = (metrics: typeof theirs.metrics) =>
      metrics.map(({ tn: _, ...metric }) => metric).sort((a, b) => (a.name < b.name ? -1 : 1));
    assert.deepEqual(byName(theirs.metrics), byName(ours?.metrics ?? []));
  });

  test("all kinds of values that we write arrive in it", async () => {
    await using real = await gmond();
    const id = (name: string) => ({ host: "10.0.0.9:kinds", name, spoof: true });
    const values = {
      ushort: 65_535,
      short: -2,
      int: -70_000,
      uint: 4_000_000_000,
      float: 0.5,
      double: 0.25,
    } as const;
    for (const [as, value] of Object.entries(values) as [keyof typeof values, number][]) {
      const [metadata] = told("10.0.0.9:kinds", as, "", true);
      const format = { ushort: "%hu", short: "%hd", int: "%d", uint: "%u", float: "%.2f", double: "%.2f" }[
        as
      ];
      await send(real.port, metadata!, { kind: "value", id: id(as), as, format, value });
    }
    const host = await eventually(async () => {
      const seen = (await dumpAt(real.port)).get("kinds");
      return seen?.metrics.length === Object.keys(values).length && seen;
    });
    const seen = Object.fromEntries(host.metrics.map(({ name, value }) => [name, Number(value)]));
    assert.deepEqual(seen, { ...values });
  });

  test("asked what its metrics mean, it says so to a monitor that came too late to hear it", async () => {
    const early = await listener();
    await using real = await gmond(early.port, { metadataSeconds: 0 });
    await eventually(() => early.heard.some(({ kind, id }) => kind === "metadata" && id.name === "load_one"));
    await early.close();
    const to = [`127.0.0.1:${real.port}`];
    await using lab = await monitorLab({ listen: { udp_port: early.port }, announce: { to } });
    const load = await eventually(async () => {
      const hosts = [...(await dumpAt(lab.monitor.announce.xml)).values()];
      return hosts
        .flatMap(({ metrics }) => metrics)
        .find(({ name, extra }) => name === "load_one" && extra.length > 1);
    });
    assert.equal(load.units, " ");
  });

  test("it asks what our metrics mean that it came too late to hear, and is told", async () => {
    const port = await ownPort();
    await using lab = await monitorLab({ announce: { to: [`127.0.0.1:${port}`], metadata_seconds: 3600 } });
    await using real = await gmond(lab.monitor.announce.udp, { port });
    const shown = await eventually(async () => {
      await lab.monitor.round();
      return (await dumpAt(real.port)).get("own")?.metrics.some(({ name }) => name === "mem_available");
    });
    assert.ok(shown);
  });

  test("what it and gmetric tell is in our dump as it is in its own", async () => {
    await using lab = await monitorLab();
    const { udp, xml } = lab.monitor.announce;
    await using real = await gmond(udp);
    const metric = [
      "-n",
      "temperature",
      "-v",
      "21.5",
      "-t",
      "float",
      "-u",
      "Celsius",
      "-g",
      "room",
      "-D",
      "a & b",
    ];
    await runToSuccess("gmetric", ["-c", real.config, ...metric]);
    await runToSuccess("gmetric", [
      "-c",
      real.config,
      "-n",
      "state",
      "-v",
      "ok",
      "-t",
      "string",
      "-S",
      "10.1.1.1:far",
    ]);
    const [near, far] = await eventually(async () => {
      const hosts = await dumpAt(xml);
      const near = [...hosts.values()].find(({ ip }) => ip === "127.0.0.1");
      return near?.metrics.length === 2 && near.started > 0 && hosts.has("far") && [near, hosts.get("far")!];
    });
    const temperature = near!.metrics.find(({ name }) => name === "temperature");
    assert.deepEqual(
      [temperature?.value, temperature?.type, temperature?.units],
      ["21.5", "float", "Celsius"],
    );
    assert.deepEqual(Object.fromEntries(temperature?.extra ?? []), { GROUP: "room", DESC: "a & b" });
    assert.match(near!.metrics.find(({ name }) => name === "load_one")?.value ?? "", /^\d+\.\d\d$/);
    assert.deepEqual([far!.ip, far!.metrics[0]?.value], ["10.1.1.1", "ok"]);
  });
});
