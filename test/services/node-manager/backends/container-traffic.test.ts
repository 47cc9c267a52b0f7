import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import type { SliverPlan, Usage } from "#services/node-manager/backends/backend.ts";
import { somePlan } from "#test/contract/backend.ts";
import { engineProbe, eventually } from "./container-bench.ts";
import {
  Greeter,
  meanwhile,
  NetworkLab,
  OUTSIDE_ADDRESS,
  type Remote,
  sendDatagram,
  within,
} from "./container-network-lab.ts";

const probe = await engineProbe();
const NODE_KBPS = 20_000;
/** One iperf3 server serves one client at a time. */
const SERVERS = [5201, 5202];

function sharing(egressKbps: number, ceiling?: number): SliverPlan {
  const ceilings = ceiling === undefined ? {} : { egressKbps: ceiling };
  return somePlan({ resources: { cpuMillis: 0, memoryMib: 64, diskMib: 64, egressKbps }, ceilings });
}

describe("the traffic of container slivers", { skip: !probe.ok && probe.reason }, () => {
  const [large, small, capped] = [sharing(15_000), sharing(5000), sharing(0, 2000)];
  const servers: ChildProcess[] = [];
  let lab: NetworkLab;
  let remote: Remote;

  before(async () => {
    lab = await NetworkLab.make();
    remote = lab.open({ egressKbps: NODE_KBPS });
    for (const plan of [large, small, capped]) await remote.ask("ensure", plan);
    for (const port of SERVERS) {
      const argv = [`--net=${lab.outside}`, "iperf3", "--server", "--port", String(port), "--forceflush"];
      const server = spawn("nsenter", argv, { stdio: ["ignore", "pipe", "ignore"] });
      servers.push(server);
      await once(server.stdout, "data"); // it says that it listens
    }
  });
  after(async () => {
    for (const server of servers) {
      server.kill();
      await once(server, "exit");
    }
    for (const plan of [large, small, capped]) await remote.ask("remove", plan.id);
    await remote.kill();
    await lab[Symbol.asyncDispose]();
  });

  /** What reaches the outside of TCP traffic in both slivers at once, in kbit/s; the beginning is left out. */
  async function kbpsOf(plans: readonly SliverPlan[]): Promise<number[]> {
    return Promise.all(
      plans.map(async (plan, index) => {
        const argv = ["iperf3", "--client", OUTSIDE_ADDRESS, "--port", String(SERVERS[index]), "--json"];
        const inside = await lab.inside(plan);
        const said = await meanwhile(inside, ...argv, "--time", "2", "--omit", "1");
        return JSON.parse(said).end.sum_received.bits_per_second / 1000;
      }),
    );
  }

  async function networkOf(plan: SliverPlan) {
    const { network } = await remote.ask<Usage>("usage", plan.id);
    assert.ok(network);
    return network;
  }

  const classes = () => within(lab.node, "tc", "class", "show", "dev", `sl${lab.id}root`);

  /** Waits until as many alarming packets were counted. */
  async function alarms(plan: SliverPlan, least: number): Promise<void> {
    await eventually(`${least} alarming packets are counted`, async () => {
      return (await networkOf(plan)).alarming.packets >= least;
    });
  }

  test("is shared as it is guaranteed, and stays beneath the node's rate", async () => {
    assert.ok((await remote.ask<string[]>("abilities")).includes("fair-egress"));
    const before = await networkOf(large);
    const [three = 0, one = 0] = await kbpsOf([large, small]);
    assert.ok(three / one > 2 && three / one < 4.5, `${three} kbit/s to ${one} kbit/s`);
    const sum = three + one;
    assert.ok(sum > NODE_KBPS * 0.75 && sum < NODE_KBPS * 1.05, `${sum} kbit/s`);
    const { sent, received } = await networkOf(large);
    assert.ok(sent.bytes - before.sent.bytes > (three / 8) * 1000 * 2, `${sent.bytes} bytes`);
    assert.ok(sent.packets > before.sent.packets && received.packets > before.received.packets);
  });

  test("ends at a sliver's ceiling, and what it leaves goes to whoever sends", async () => {
    const [much = 0, little = 0] = await kbpsOf([small, capped]);
    assert.ok(little > 800 && little < 2200, `${little} kbit/s of 2000`);
    assert.ok(much > 13_000, `${much} kbit/s, with a guarantee of 5000`);
  });

  test("has few pings in it, while everything else goes on", async () => {
    const inside = await lab.inside(large);
    const flood = meanwhile(inside, "ping", "-f", "-q", "-w", "4", OUTSIDE_ADDRESS).catch(
      (ended) => ended.stdout,
    );
    const [kbps = 0] = await kbpsOf([large]);
    const [, sent, answered] = /(\d+) packets transmitted, (\d+) received/.exec(await flood) ?? [];
    assert.ok(Number(sent) > 200, `${sent} pings`);
    assert.ok(
      Number(answered) >= 20 && Number(answered) < 80,
      `${answered} answers of 10 a second, 20 at once`,
    );
    assert.ok(kbps > 13_000, `${kbps} kbit/s besides`);
    await alarms(large, Number(sent));
    assert.equal((await networkOf(small)).alarming.packets, 0);
  });

  test("has few packets with options in it, few of unusual protocols and no floods of beginnings", async () => {
    await using greeter = await Greeter.start(lab.outside);
    const inside = await lab.inside(small);
    const options = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\\x01\\x01\\x01\\x00")
for i in range(100): s.sendto(b"hello", ("${OUTSIDE_ADDRESS}", ${Greeter.port}))
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)
for i in range(100): s.sendto(b"hello", ("${OUTSIDE_ADDRESS}", 0))`;
    within(inside, "python3", "-c", options);
    sendDatagram(inside, await lab.addressOf(small), OUTSIDE_ADDRESS);
    await alarms(small, 200);
    // The last one has none, and comes after all others.
    await eventually("some arrive", async () => greeter.callers.length > 0);
    assert.ok(greeter.callers.length <= 20, `${greeter.callers.length} of 101`);

    const { alarming } = await networkOf(small);
    const beginnings = `import socket
for i in range(3000):
  s = socket.socket(); s.setblocking(False); s.connect_ex(("${OUTSIDE_ADDRESS}", 10000 + i)); s.close()`;
    within(inside, "python3", "-c", beginnings);
    await alarms(small, alarming.packets + 500);
    assert.ok((await networkOf(small)).alarming.packets < alarming.packets + 2001);
  });

  test("does not fill the node's table of connections", async () => {
    const flood = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(12000): s.sendto(b"", ("${OUTSIDE_ADDRESS}", 20000 + i))`;
    within(await lab.inside(capped), "python3", "-c", flood);
    const address = await lab.addressOf(capped);
    const kept = within(lab.node, "conntrack", "-L", "--orig-src", address).trim().split("\n").length;
    assert.ok(kept > 1000 && kept <= 4096 + 10, `${kept} connections`);
    await using _greeter = await Greeter.start(lab.outside);
    const heard = await remote.sh(large, `nc -w 1 ${OUTSIDE_ADDRESS} ${Greeter.port} < /dev/null`);
    assert.equal(heard.stdout, "hello");
    await remote.ask("remove", capped.id);
    assert.equal(within(lab.node, "conntrack", "-L", "--orig-src", address), "");
    const rules = within(lab.node, "nft", "list", "ruleset");
    assert.ok(rules.includes(await lab.addressOf(large)) && !rules.includes(address), rules);
    assert.equal(classes().match(/ceil 2Mbit/), null);
  });

  test("is not heard by neighbours", async () => {
    const listen = `import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(263, 1, __import__("struct").pack("iHH8s", socket.if_nametoindex("eth0"), 1, 0, b""))
print("listening", flush=True)
while True:
  packet = s.recv(65536)
  if b"secret" in packet: print("heard", packet, flush=True)
  if b"own" in packet: print("own", flush=True)`;
    const argv = [`--net=${await lab.inside(large)}`, "python3", "-c", listen];
    const listener = spawn("nsenter", argv, { stdio: ["ignore", "pipe", "inherit"] });
    const heard: string[] = [];
    listener.stdout.on("data", (chunk) =>
      heard.push(
        ...String(chunk)
          .split(/\s*\n\s*/)
          .filter((line) => line !== ""),
      ),
    );
    try {
      await eventually("it listens", async () => heard.includes("listening"));
      await using _greeter = await Greeter.start(lab.outside);
      await remote.sh(small, `echo secret | nc -w 1 ${OUTSIDE_ADDRESS} ${Greeter.port}`);
      await remote.sh(large, `echo own | nc -w 1 ${OUTSIDE_ADDRESS} ${Greeter.port}`);
      await eventually("it hears itself", async () => heard.includes("own"));
      assert.deepEqual(
        heard.filter((line) => line.startsWith("heard")),
        [],
      );
    } finally {
      listener.kill();
      await once(listener, "exit");
    }
  });

  test("is shared the same way after its node manager was killed, at the rate the node has then", async () => {
    await remote.kill();
    const before = classes();
    remote = lab.open({ egressKbps: NODE_KBPS });
    await remote.ask("list");
    assert.equal(classes(), before);
    assert.ok((await networkOf(large)).alarming.packets > 200, "what was counted stays");
    await remote.kill();
    remote = lab.open({ egressKbps: NODE_KBPS / 2 });
    await remote.ask("list");
    assert.match(classes(), /1:f000 root rate 10Mbit/);
  });
});
