import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import type { SliverFact, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { somePlan } from "#test/contract/backend.ts";
import { engineProbe, eventually } from "./container-bench.ts";
import {
  Greeter,
  ip,
  NetworkLab,
  NODE_ADDRESS,
  OUTSIDE_ADDRESS,
  type Remote,
  reaches,
  sendDatagram,
  within,
} from "./container-network-lab.ts";

const probe = await engineProbe();

describe("the network of container slivers", { skip: !probe.ok && probe.reason }, () => {
  const [mine, neighbour] = [somePlan(), somePlan({ ceilings: { egressKbps: 800 } })];
  let lab: NetworkLab;
  let remote: Remote;

  before(async () => {
    lab = await NetworkLab.make();
    remote = lab.open({ egressKbps: 333_333 }); // no round number of bytes a millisecond
    for (const plan of [mine, neighbour]) await remote.ask("ensure", plan);
  });
  after(async () => {
    for (const plan of [mine, neighbour]) await remote.ask("remove", plan.id);
    await remote.kill();
    await lab[Symbol.asyncDispose]();
  });

  /** What `nc` in the sliver hears from a greeter. */
  async function hears(plan: SliverPlan, address: string): Promise<string> {
    return (await remote.sh(plan, `nc -w 1 ${address} ${Greeter.port} < /dev/null`)).stdout;
  }

  test("gives each sliver an address of its own, from the node's block", async () => {
    const addresses = [await lab.addressOf(mine), await lab.addressOf(neighbour)];
    assert.notEqual(addresses[0], addresses[1]);
    for (const [index, plan] of [mine, neighbour].entries()) {
      const { stdout } = await remote.sh(plan, "ip -o -4 addr show eth0");
      assert.ok(stdout.includes(` ${addresses[index]}/32 `), stdout);
      assert.match(addresses[index] ?? "", /^10\.(12[89]|1[3-9]\d|2\d\d)\./);
    }
  });

  test("lets a sliver reach itself, its node and the outside, which sees only the node's address", async () => {
    await using greeter = await Greeter.start(lab.outside);
    assert.equal(await hears(mine, OUTSIDE_ADDRESS), "hello");
    assert.deepEqual(greeter.callers, [NODE_ADDRESS]);
    await using _node = await Greeter.start(lab.node);
    assert.equal(await hears(mine, NODE_ADDRESS), "hello");
    await using _self = await Greeter.start(await lab.inside(mine));
    assert.equal(await hears(mine, "127.0.0.1"), "hello");
    assert.equal(await hears(mine, await lab.addressOf(mine)), "hello");
  });

  test("lets nobody but the node reach a sliver's private address", async () => {
    await using _mine = await Greeter.start(await lab.inside(mine));
    const address = await lab.addressOf(mine);
    assert.equal(reaches(lab.node, address), true);
    assert.equal(reaches(lab.outside, address), false);
    assert.equal(await hears(neighbour, address), "");
  });

  test("drops what does not come from a sliver's own address", async () => {
    await using greeter = await Greeter.start(lab.outside);
    const inside = await lab.inside(mine);
    const [own, others] = [
      await lab.addressOf(mine),
      ["198.51.100.7", await lab.addressOf(neighbour), NODE_ADDRESS],
    ];
    // The machine's own root gives the sliver addresses it could not give itself.
    for (const address of others)
      execFileSync("nsenter", [`--net=${inside}`, "ip", "addr", "add", address, "dev", "eth0"]);
    for (const source of [...others, own]) sendDatagram(inside, source, OUTSIDE_ADDRESS);
    // Datagrams of one sender arrive in order: the last one is the only honest one.
    await eventually("the honest one arrives", async () => greeter.callers.length > 0);
    assert.deepEqual(greeter.callers, [NODE_ADDRESS]);
    for (const address of others)
      execFileSync("nsenter", [`--net=${inside}`, "ip", "addr", "delete", `${address}/32`, "dev", "eth0"]);
  });

  test("lets no sliver reach link-local addresses, where clouds give out credentials", async () => {
    await using _greeter = await Greeter.start(lab.outside);
    ip("-n", lab.outsideName, "addr", "add", "169.254.169.254/32", "dev", "lo");
    ip("-n", lab.nodeName, "route", "add", "169.254.169.254", "via", OUTSIDE_ADDRESS);
    assert.equal(reaches(lab.node, "169.254.169.254"), true);
    assert.equal(await hears(mine, "169.254.169.254"), "");
  });

  test("holds a sliver to its egress ceiling, which it can't lift", async () => {
    const classes = within(lab.node, "tc", "class", "show", "dev", `sl${lab.id}root`);
    assert.match(classes, /parent 1:f000 .* ceil 800Kbit/);
    const { code, stderr } = await remote.sh(neighbour, "ip link set eth0 down");
    assert.notEqual(code, 0);
    assert.match(stderr, /not permitted/);
  });

  test("is adopted by the next node manager, and made again when the network namespace is another one", async () => {
    await remote.kill();
    remote = lab.open();
    {
      await using _before = await Greeter.start(lab.outside);
      assert.equal(await hears(mine, OUTSIDE_ADDRESS), "hello");
    }

    await remote.kill();
    lab.disconnect();
    lab.connect();
    remote = lab.open();
    for (const { state } of await remote.ask<SliverFact[]>("list")) assert.equal(state, "stopped");
    for (const plan of [mine, neighbour]) await remote.ask("ensure", plan);
    await using _greeter = await Greeter.start(lab.outside);
    assert.equal(await hears(mine, OUTSIDE_ADDRESS), "hello");
  });

  test("goes with the slivers: links, rules and all", async () => {
    const rules = () => within(lab.node, "nft", "list", "tables");
    await using _greeter = await Greeter.start(lab.outside);
    assert.equal(rules(), `table inet slicelab_${lab.id}\n`);
    await remote.ask("remove", mine.id);
    assert.equal(rules(), `table inet slicelab_${lab.id}\n`);
    assert.equal(await hears(neighbour, OUTSIDE_ADDRESS), "hello");
    await remote.ask("remove", neighbour.id);
    assert.equal(rules(), "");
    assert.deepEqual(await remote.ask("leftovers"), []);
    const links: { ifname: string }[] = JSON.parse(ip("-n", lab.nodeName, "-json", "link"));
    assert.deepEqual(
      links.map(({ ifname }) => ifname),
      ["lo", "up0"],
    );
  });
});
