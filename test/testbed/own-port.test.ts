import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { ownPort, ownPorts } from "#testbed/own-port.ts";

test("an own port is given once, and never to whoever asks the kernel for any", async () => {
  const ports = await Promise.all(Array.from({ length: 200 }, () => ownPort()));
  assert.equal(new Set(ports).size, ports.length);
  const [first] = (await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8")).split("\t");
  assert.ok(ports.every((port) => port < Number(first)));
});

test("a port that is not free is nobody's own", async () => {
  const tried: number[] = [];
  const port = await ownPort(async (one) => tried.push(one) > 3);
  assert.equal(tried.length, 4);
  assert.equal(port, tried.at(-1));
});

test("of ports only those are made own that would be any", async () => {
  const ports = await ownPorts({ address: "127.0.0.1", tls: 0, web: 80, names: ["a"] });
  assert.ok(ports.tls >= 10_000);
  assert.deepEqual({ ...ports, tls: 0 }, { address: "127.0.0.1", tls: 0, web: 80, names: ["a"] });
});
