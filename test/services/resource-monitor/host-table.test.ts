import assert from "node:assert/strict";
import { test } from "node:test";
import { HostTable, type TableLimits } from "#services/resource-monitor/host-table.ts";
import { PacketRate } from "#services/resource-monitor/packet-rate.ts";
import type { MetadataPacket, ValuePacket } from "#shared/wire/ganglia/packet.ts";

const LIMITS: TableLimits = { hosts: 3, metricsOfHost: 4, bytes: 100_000, forgetSeconds: 600 };
const HOST = { ip: "10.0.0.1", name: "h" };

function idOf(name: string) {
  return { host: "h", name, spoof: false };
}

function value(name: string, value: string): ValuePacket {
  return { kind: "value", id: idOf(name), as: "string", format: "%s", value };
}

function metadata(name: string, dmax = 0): MetadataPacket {
  const meta = { type: "float", units: "x", slope: "both", tmax: 60, dmax, extra: [] } as const;
  return { kind: "metadata", id: idOf(name), metadata: meta };
}

function seen(table: HostTable, uptimeMs: number) {
  return [...table.hosts(() => ({ now: 1_000_000 + uptimeMs / 1000, uptimeMs }))];
}

test("a metric is shown once both its value and its meaning came, in either order", () => {
  const table = new HostTable(LIMITS);
  table.record(HOST, value("a", "1"), 0);
  assert.deepEqual(seen(table, 0)[0]?.metrics, []);
  table.record(HOST, metadata("a"), 0);
  table.record(HOST, metadata("b"), 0);
  assert.deepEqual(
    seen(table, 0)[0]?.metrics.map(({ name }) => name),
    ["a"],
  );
  table.record(HOST, value("b", "2"), 0);
  assert.deepEqual(
    seen(table, 0)[0]?.metrics.map(({ value }) => value),
    ["1", "2"],
  );
});

test("ages count from the last value, by a clock nobody can set", () => {
  const table = new HostTable(LIMITS);
  table.record(HOST, metadata("a"), 1000);
  table.record(HOST, value("a", "1"), 1000);
  table.record(HOST, metadata("a"), 31_000);
  const [host] = seen(table, 41_500);
  assert.deepEqual([host?.tn, host?.metrics[0]?.tn], [10, 40]);
  assert.equal(host?.reported, 1_000_031.5);
});

test("metrics end by their DMAX, hosts by their silence, and give back what they took", () => {
  const table = new HostTable(LIMITS);
  for (const packet of [metadata("short", 30), value("short", "1"), metadata("long"), value("long", "1")])
    table.record(HOST, packet, 0);
  const names = (at: number) => seen(table, at)[0]?.metrics.map(({ name }) => name);
  assert.deepEqual(names(30_000), ["short", "long"]);
  assert.deepEqual(names(30_001), ["long"], "also before anybody forgot it");
  const before = table.bytes;
  table.forget(30_001);
  assert.ok(table.bytes < before);
  table.forget(600_000);
  assert.equal(table.size, 1);
  table.forget(600_001);
  assert.deepEqual([table.size, table.bytes], [0, 0]);
});

test("a full table keeps what it has, whatever comes", () => {
  const table = new HostTable({ ...LIMITS, bytes: 5000 });
  for (const name of ["a", "b", "c"])
    assert.equal(table.record({ ...HOST, name }, value("m", "1"), 0), undefined);
  assert.equal(table.record({ ...HOST, name: "d" }, value("m", "1"), 0), "hosts_full");
  for (const name of ["n", "o", "p"])
    assert.equal(table.record({ ...HOST, name: "a" }, value(name, "1"), 0), undefined);
  assert.equal(table.record({ ...HOST, name: "a" }, value("q", "1"), 0), "metrics_full");
  const before = seen(table, 0);
  assert.equal(table.record({ ...HOST, name: "a" }, value("m", "x".repeat(5000)), 9000), "bytes_full");
  assert.deepEqual(seen(table, 0), before, "what was refused changed nothing, not even the age");
  assert.equal(table.record({ ...HOST, name: "a" }, value("m", "2"), 0), undefined);
  assert.ok(table.bytes <= 5000);
});

test("the bytes of a table are those of what is in it", () => {
  const table = new HostTable(LIMITS);
  for (let round = 0; round < 50; round += 1) {
    table.record(HOST, value("m", "x".repeat(round % 7)), 0);
    table.record(HOST, metadata("m"), 0);
  }
  const once = new HostTable(LIMITS);
  once.record(HOST, value("m", "x".repeat(49 % 7)), 0);
  once.record(HOST, metadata("m"), 0);
  assert.equal(table.bytes, once.bytes);
});

test("a heartbeat tells when its monitor was started, and is no metric; one that is no instant is refused", () => {
  const table = new HostTable(LIMITS);
  table.record(HOST, value("heartbeat", "1234"), 0);
  table.record(HOST, metadata("heartbeat"), 0);
  table.record(HOST, value("location", "r1"), 0);
  assert.equal(table.record(HOST, value("heartbeat", "soon"), 0), "bad_heartbeat");
  const [host] = seen(table, 0);
  assert.deepEqual([host?.started, host?.location, host?.metrics], [1234, "r1", []]);
});

test("names of every object are names like others", () => {
  const table = new HostTable(LIMITS);
  for (const name of ["__proto__", "constructor", "toString"]) {
    assert.equal(table.record(HOST, metadata(name), 0), undefined);
    assert.equal(table.record(HOST, value(name, "1"), 0), undefined);
  }
  assert.equal(seen(table, 0)[0]?.metrics.length, 3);
});

test("a sender's flood is cut off within the second, and takes no other's place until all are too many", () => {
  const rate = new PacketRate({ all: 10, ofSender: 4 });
  const admitted = (sender: string, at: number) =>
    Array.from({ length: 20 }, () => rate.admits(sender, at)).filter(Boolean).length;
  assert.deepEqual([admitted("a", 0), admitted("b", 500), admitted("c", 999)], [4, 4, 2]);
  assert.equal(admitted("a", 1000), 4);
});
