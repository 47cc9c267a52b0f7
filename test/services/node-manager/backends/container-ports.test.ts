import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { somePlan } from "#test/contract/backend.ts";
import { engineProbe, eventually } from "./container-bench.ts";
import {
  Greeter,
  ip,
  NetworkLab,
  NODE_ADDRESS,
  OUTSIDE_ADDRESS,
  Remote,
  reaches,
  sendDatagram,
  within,
} from "./container-network-lab.ts";

const probe = await engineProbe();
/** Addresses the machine has besides the node's: in a network behind it, say. */
const PRIVATE_ADDRESS = "198.51.100.1";
const PORTS = [
  { protocol: "tcp", from: Greeter.port, to: Greeter.port },
  { protocol: "udp", from: Greeter.port - 10, to: Greeter.port + 10 },
] as const;

describe("ports of a node's address that are a sliver's", { skip: !probe.ok && probe.reason }, () => {
  const [server, client] = [somePlan({ ports: PORTS }), somePlan()];
  let lab: NetworkLab;
  let remote: Remote;

  before(async () => {
    lab = await NetworkLab.make();
    ip("-n", lab.nodeName, "addr", "add", `${PRIVATE_ADDRESS}/32`, "dev", "lo");
    within(lab.node, "iptables", "-P", "FORWARD", "DROP");
    remote = lab.open({ address: NODE_ADDRESS });
    for (const plan of [server, client]) await remote.ask("ensure", plan);
  });
  after(async () => {
    for (const plan of [server, client]) await remote.ask("remove", plan.id);
    await remote.kill();
    await lab[Symbol.asyncDispose]();
  });

  async function hears(plan: { id: string }, address: string, port = Greeter.port): Promise<string> {
    return (await remote.ask<{ stdout: string }>("sh", plan.id, `nc -w 1 ${address} ${port} < /dev/null`))
      .stdout;
  }

  test("are reached from outside, which the sliver sees, by TCP and UDP", async () => {
    await using greeter = await Greeter.start(await lab.inside(server));
    assert.equal(reaches(lab.outside, NODE_ADDRESS), true);
    sendDatagram(lab.outside, OUTSIDE_ADDRESS, NODE_ADDRESS);
    await eventually("both arrive", async () => greeter.callers.length === 2);
    assert.deepEqual(greeter.callers, [OUTSIDE_ADDRESS, OUTSIDE_ADDRESS]);
  });

  test("are reached from its neighbours, the node and the sliver itself, by the node's address", async () => {
    await using greeter = await Greeter.start(await lab.inside(server));
    assert.equal(await hears(client, NODE_ADDRESS), "hello");
    assert.equal(await hears(server, NODE_ADDRESS), "hello");
    assert.equal(reaches(lab.node, NODE_ADDRESS), true);
    await eventually("all arrive", async () => greeter.callers.length === 3);
    assert.deepEqual(greeter.callers, [NODE_ADDRESS, NODE_ADDRESS, NODE_ADDRESS]);
  });

  test("are no others than those, and not of the machine's other addresses", async () => {
    await using _greeter = await Greeter.start(await lab.inside(server));
    ip("-n", lab.outsideName, "route", "replace", PRIVATE_ADDRESS, "via", NODE_ADDRESS);
    assert.equal(reaches(lab.outside, PRIVATE_ADDRESS), false);
    within(await lab.inside(server), "sh", "-c", "busybox nc -l -p 4001 >/dev/null 2>&1 < /dev/null &");
    assert.equal(
      within(lab.outside, "sh", "-c", `busybox nc -w 1 ${NODE_ADDRESS} 4001 </dev/null && echo in || true`),
      "",
    );
  });

  test("lead past a firewall of the machine that forwards nothing", () => {
    const ours = () => within(lab.node, "iptables", "-S", "FORWARD");
    assert.match(ours(), new RegExp(`-P FORWARD DROP\n-A FORWARD -o sl${lab.id}\\+ .* -j ACCEPT`));
  });

  test("are closed by any other firewall, which the owner is told", async () => {
    within(
      lab.node,
      "nft",
      "add table inet other; add chain inet other hall { type filter hook forward priority 0; policy drop; }",
    );
    await remote.kill();
    remote = lab.open({ address: NODE_ADDRESS });
    const notes = await remote.ask<string[]>("notes");
    assert.ok(
      notes.some((note) => note.includes(`"inet other hall" that accept iifname "sl${lab.id}*"`)),
      `${notes}`,
    );
    within(lab.node, "nft", "delete table inet other");
  });

  test("leave the machine's own services to whom they are for", async () => {
    await remote.ask("stop", server.id);
    await using greeter = await Greeter.start(lab.node);
    // As to anybody else, and nothing besides.
    assert.equal(await hears(client, NODE_ADDRESS), "hello");
    assert.equal(await hears(client, PRIVATE_ADDRESS), "");
    assert.equal(await hears(client, within(await lab.inside(client), "ip", "route").split(" ")[2]!), "");
    await eventually("it arrives", async () => greeter.callers.length > 0);
    assert.deepEqual(greeter.callers, [await lab.addressOf(client)]);
    await remote.ask("ensure", server);
  });

  test("stay the sliver's after the node manager was killed", async () => {
    await remote.kill();
    remote = lab.open({ address: NODE_ADDRESS });
    await remote.ask("list");
    await using _greeter = await Greeter.start(await lab.inside(server));
    assert.equal(reaches(lab.outside, NODE_ADDRESS), true);
  });

  test("stay the sliver's when somebody flushes the machine's rules", async () => {
    within(lab.node, "nft", "flush", "ruleset");
    await using _greeter = await Greeter.start(await lab.inside(server));
    assert.equal(reaches(lab.outside, NODE_ADDRESS), false);
    within(lab.node, "iptables", "-P", "FORWARD", "DROP");
    await eventually("it is noticed", async () => {
      await remote.ask("usage", server.id);
      return within(lab.node, "nft", "list", "tables").includes(lab.id);
    });
    assert.equal(reaches(lab.outside, NODE_ADDRESS), true);
  });

  test("are free again when the sliver ended while there was no node manager", async () => {
    await remote.kill();
    const inside = (await lab.inside(server)).split("/")[2];
    process.kill(Number(inside), "SIGKILL");
    await eventually(
      "its link is gone",
      async () => !ip("-n", lab.nodeName, "link").includes(`sl${lab.id}0`),
    );
    remote = lab.open({ address: NODE_ADDRESS });
    await remote.ask("list");
    assert.doesNotMatch(within(lab.node, "nft", "list", "ruleset"), /tcp \. 4000/);
    await remote.ask("ensure", server);
  });

  test("are nobody's after it, also for whoever goes on sending", async () => {
    const port = 4444;
    sendDatagram(lab.outside, OUTSIDE_ADDRESS, NODE_ADDRESS, port);
    await remote.ask("remove", server.id);
    await using next = await Greeter.start(lab.node);
    sendDatagram(lab.outside, OUTSIDE_ADDRESS, NODE_ADDRESS, port);
    await eventually("it arrives", async () => next.callers.length > 0);
    assert.equal(reaches(lab.outside, NODE_ADDRESS), true);
    await remote.ask("remove", client.id);
    assert.equal(within(lab.node, "iptables", "-S", "FORWARD"), "-P FORWARD DROP\n");
    assert.deepEqual(await remote.ask("leftovers"), []);
  });
});

describe("names in a container sliver", { skip: !probe.ok && probe.reason }, () => {
  let lab: NetworkLab;
  let names: ChildProcess;
  let remote: Remote;
  const plan = somePlan();

  /** Answers every question on the node's loopback with one address, but only to its own machine, as resolvers do. */
  const NAME_SERVER = `const socket = require("dgram").createSocket("udp4", (question, from) => {
    if (from.address !== "127.0.0.1") return;
    const end = question.indexOf(0, 12) + 5;
    const head = Buffer.from([question[0], question[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 7]);
    if (question[end - 3] === 1) socket.send(Buffer.concat([head, question.subarray(12, end), answer]), from.port, from.address);
    else socket.send(Buffer.concat([head.with(7, 0), question.subarray(12, end)]), from.port, from.address);
  });
  socket.bind(53, "127.0.0.1", () => console.log("up"))`;

  before(async () => {
    lab = await NetworkLab.make();
    const file = join(dirname(lab.bench.stateDirectory), "resolv.conf");
    await writeFile(file, "nameserver 127.0.0.1\noptions attempts:1\n");
    names = spawn("nsenter", [`--net=${lab.node}`, process.execPath, "-e", NAME_SERVER], { stdio: "pipe" });
    await once(names.stdout!, "data");
    // Only this process has that file as its machine's.
    const script = `mount --bind ${file} /etc/resolv.conf && exec "$@"`;
    const enter = ["nsenter", `--net=${lab.node}`, "unshare", "--mount", "sh", "-c", script, "sh"] as const;
    remote = new Remote(enter, { ...lab.bench, node: lab.id });
    await remote.ask("ensure", plan);
  });
  after(async () => {
    await remote.ask("remove", plan.id);
    await remote.kill();
    names.kill();
    await once(names, "exit");
    await lab[Symbol.asyncDispose]();
  });

  test("are what the machine's own resolver says, when it is on the machine's loopback", async () => {
    const { stdout } = await remote.sh(plan, "nslookup -type=a some.example.org");
    assert.match(stdout, /Address: 203\.0\.113\.7/);
  });

  test("are all that is reached there", async () => {
    await using greeter = await Greeter.start(lab.node);
    const { stdout: gateway } = await remote.sh(plan, "sed -n 's/^nameserver //p' /etc/resolv.conf");
    for (const address of ["127.0.0.1", gateway.trim()])
      assert.equal((await remote.sh(plan, `nc -w 1 ${address} ${Greeter.port} < /dev/null`)).stdout, "");
    within(
      await lab.inside(plan),
      "ip",
      "route",
      "replace",
      "table",
      "local",
      "127.0.0.1",
      "via",
      gateway.trim(),
      "dev",
      "eth0",
    );
    sendDatagram(await lab.inside(plan), await lab.addressOf(plan), "127.0.0.1");
    sendDatagram(await lab.inside(plan), await lab.addressOf(plan), NODE_ADDRESS);
    await eventually("the honest one arrives", async () => greeter.callers.length > 0);
    assert.deepEqual(greeter.callers, [await lab.addressOf(plan)]);
  });
});
