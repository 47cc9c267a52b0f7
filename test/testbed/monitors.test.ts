import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { readDump } from "#shared/wire/ganglia/dump-reader.ts";
import type { DumpHost } from "#shared/wire/ganglia/host.ts";
import { send, told } from "#test/services/resource-monitor/monitor-lab.ts";
import { eventually } from "#test/support/deadline.ts";
import { isProcess, type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";
import type { TestbedDescription } from "#testbed/description.ts";

/** Monitors let everything else on the machine go first. */
const PATIENT = { withinMs: 60_000 };

/** testbed.json as it is once all monitors run. */
async function withMonitors({ home }: TestbedProcess): Promise<Required<TestbedDescription>> {
  return await eventually(async () => {
    const read: TestbedDescription = JSON.parse(await readFile(join(home, "testbed.json"), "utf8"));
    const monitors = [read.collector, ...read.nodes.map(({ monitor }) => monitor)];
    return monitors.every((monitor) => monitor?.pid !== undefined) && (read as Required<TestbedDescription>);
  }, PATIENT);
}

async function hostsAt(ip: string, port: number): Promise<Map<string, DumpHost>> {
  const hosts = new Map<string, DumpHost>();
  for await (const host of readDump(connect(port, ip))) hosts.set(host.name, host);
  return hosts;
}

function said(host: DumpHost | undefined, name: string): string | undefined {
  return host?.metrics.find((metric) => metric.name === name)?.value;
}

test("every node of a testbed has a monitor, the collector hears all, and what is forged there decides nothing", async () => {
  await using lab = await testbedProcess({ nodes: 2, monitors: true });
  const { collector, nodes } = await withMonitors(lab);

  // Forged before anybody has such a slice: in version 0.5 its name was taken then.
  for (const [i, { ip }] of nodes.entries()) {
    const forged = (name: string, value: string) => told(`${ip}:node-${i + 1}`, name, value, true);
    await send(collector.udp, ...forged("slice_hello_cpu", "1"), ...forged("slicelab_node_manager", "0"));
  }
  assert.equal((await lab.slice("alice", "create", "hello", "--nodes", "2")).code, 0);

  const seen = await eventually(async () => {
    const hosts = await hostsAt(collector.ip, collector.xml);
    const used = ["node-1", "node-2"].map((name) => said(hosts.get(name), "slice_hello_memory"));
    return used.every((memory) => memory !== undefined) && hosts;
  }, PATIENT);
  for (const [i, { ip, node, monitor }] of nodes.entries()) {
    const host = seen.get(`node-${i + 1}`);
    assert.deepEqual([host?.ip, said(host, "slicelab_node")], [ip, node]);
    assert.ok(Number(said(host, "load_one")) >= 0);
    assert.notEqual(said(host, "slicelab_node_manager"), "0", "the truth comes after the lie");
    const page = await (await fetch(monitor!.web)).text();
    assert.match(page, /^slicelab_slice_cpu_percent\{slice="hello"\} 0$/m);
    assert.match(page, /^slicelab_node_manager_silent_seconds \d+$/m);
  }
  const { alice } = lab.clients;
  const ofKnownLoad = async () => (await alice.agent.getads({ max_load: 1_000_000 })).length;
  await eventually(async () => (await ofKnownLoad()) === 2, {
    ...PATIENT,
    what: "the agent knowing how loaded they are",
  });

  process.kill(collector.pid!, "SIGKILL");
  await eventually(() => !existsSync(`/proc/${collector.pid}`), { what: "the testbed noticing" });
  assert.deepEqual(await lab.revive(), ["resource monitor collector"]);
  const again = await withMonitors(lab);
  assert.equal(again.collector.xml, collector.xml, "it is where it was");
  await eventually(async () => (await hostsAt(collector.ip, collector.xml)).size === 3, PATIENT);
  assert.equal((await lab.slice("alice", "delete", "hello")).code, 0);
  const pids = [again.collector, ...again.nodes.map(({ monitor }) => monitor!)].map(({ pid }) => pid!);
  await lab.stop();
  assert.deepEqual(pids.filter(isProcess), []);
});
