import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "#test/support/deadline.ts";
import { runToSuccess } from "#test/support/program.ts";
import { gmetad, withoutGmetad } from "../../resource-monitor/gmetad.ts";
import { gmond, withoutGmond } from "../../resource-monitor/gmond.ts";
import { monitorLab, send, told } from "../../resource-monitor/monitor-lab.ts";
import { type AgentLab, agentLab, type LabNode } from "../agent-lab.ts";
import { ad, polled } from "./fed-lab.ts";

/** The advertisement of a node as soon as its load is known, half a minute after half a minute. */
async function loaded(lab: AgentLab, node: LabNode) {
  return await eventually(
    async () => {
      await polled(lab);
      const known = await ad(lab, node);
      return known.load !== null && known;
    },
    { everyMs: 200, what: "a load" },
  );
}

const at = (port: number) => ({ host: "127.0.0.1", port });

/** The packets that tell of a host at `ip`, of its load and whatever else. */
function toldOf(ip: string, metrics: Readonly<Record<string, string>>) {
  return Object.entries(metrics).flatMap(([name, value]) => told(`${ip}:host-${ip}`, name, value, true));
}

test("what our monitor tells, and hears from others, is advertised", async () => {
  await using monitor = await monitorLab();
  const { udp, xml } = monitor.monitor.announce;
  await using lab = await agentLab({ config: { monitors: [at(xml)] } });
  const [node, other] = lab.nodes;
  await send(udp, ...toldOf(node.ip, { load_one: "0.75", cpu_num: "2", boottime: "1700000000" }));
  await send(udp, ...toldOf("192.0.2.77", { slicelab_node: other.name, load_one: "1.5" }));
  await eventually(async () => (await loaded(lab, other)).load === 1.5);
  const { load, cpus } = await ad(lab, node);
  assert.deepEqual([load, cpus], [0.75, 2]);
  const page = await (await fetch(lab.agent.announce.web)).text();
  assert.match(page, /0\.75 \/ 2/);
  assert.match(page, /up \d+ d/);
  assert.match(page, new RegExp(`127\\.0\\.0\\.1:${xml}</th>`));
});

test("the load that Debian's gmond measures is advertised", { skip: withoutGmond }, async () => {
  await using real = await gmond();
  await using lab = await agentLab({ config: { monitors: [at(real.port)] } });
  const [node] = lab.nodes;
  const name = ["-n", "slicelab_node", "-v", node.name, "-t", "string"];
  await runToSuccess("gmetric", ["-c", real.config, ...name]);
  const { load, monitored } = await loaded(lab, node);
  assert.ok(typeof load === "number" && load >= 0 && load < 10_000, `its load is ${load}`);
  assert.ok(monitored && monitored > "2030-01-01 12:00:00", `it was heard at ${monitored}`);
});

describe("with Debian's gmetad", { skip: withoutGmetad }, () => {
  test("what it gathered from our monitor is advertised, and a node that is gone from it gets old", async () => {
    await using monitor = await monitorLab();
    const { udp, xml } = monitor.monitor.announce;
    await using real = await gmetad(xml);
    await using lab = await agentLab({ config: { monitors: [at(real.port)] } });
    const [node, other] = lab.nodes;
    await send(udp, ...toldOf(node.ip, { load_one: "2.25", cpu_num: "16" }));
    await send(udp, ...toldOf("192.0.2.77", { slicelab_node: other.name, load_one: "0.5" }));
    const { load, cpus } = await loaded(lab, node);
    assert.deepEqual([load, cpus], [2.25, 16]);
    assert.equal((await loaded(lab, other)).load, 0.5);
    await monitor[Symbol.asyncDispose]();
    await real[Symbol.asyncDispose]();
    lab.clock.advance(91);
    await lab.agent.look();
    assert.equal((await ad(lab, node)).load, null);
    assert.match(await (await fetch(lab.agent.announce.web)).text(), /ECONNREFUSED/);
  });
});
