import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { conditionOf } from "#services/agent/monitors/host-condition.ts";
import { host as anyHost } from "../../../shared/wire/ganglia/arbitrary-metrics.ts";
import { NOW } from "../../../support/documents.ts";
import { charges, checkSums, refusal } from "../agent-lab.ts";
import { ad, fedLab, polled } from "./fed-lab.ts";
import { host } from "./feed.ts";

const ONE = { ntickets: 1, leaselen: 3600 };

test("a node that monitors call dead or overloaded is advertised, issued and charged as before", async () => {
  await using fed = await fedLab({ share: { slivers: 3 } });
  const { lab, feeds } = fed;
  const [node] = lab.nodes;
  await lab.alice.client.newtickets({ ...ONE, slice: "before", ips: [node.ip] });
  const before = await ad(lab, node);
  const dead = { tn: 10 ** 14, reported: 0 };
  feeds[0].tells([
    host(
      node.ip,
      { slicelab_node: node.name, load_one: "999999", slicelab_node_manager: ["1", 10 ** 14] },
      dead,
    ),
    host(node.ip, { load_one: ["77", 10 ** 14] }, dead),
  ]);
  await polled(lab);
  const { load, monitored, ...after } = await ad(lab, node);
  assert.deepEqual([load, monitored], [999_999, "1970-01-01 00:00:00"]);
  const told = new Set(["load", "monitored"]);
  assert.deepEqual(after, Object.fromEntries(Object.entries(before).filter(([name]) => !told.has(name))));
  assert.deepEqual(
    (await lab.alice.client.getads()).toSorted(),
    lab.nodes.map(({ ip }) => ip),
  );
  assert.equal((await lab.bob.client.newtickets({ ...ONE, slice: "pinned", ips: [node.ip] })).length, 1);
  const both = { ...ONE, ntickets: 2, slice: "any", ips: "0.0.0.0" as const };
  assert.equal((await lab.bob.client.newtickets(both)).length, 2, "and it is chosen where any will do");
  await assert.rejects(
    lab.bob.client.newtickets({ ...ONE, slice: "one_more", ips: [node.ip] }),
    refusal("NO_CAPACITY"),
    "what is charged stays charged",
  );
  assert.equal((await charges(lab)).length, 4);
  await checkSums(lab);
});

test("a node that only monitors hear is not alive, and stays suspended when it is", async () => {
  await using fed = await fedLab({ deposited: false });
  const { lab, feeds } = fed;
  const [silent, suspended] = lab.nodes;
  await silent.deposit();
  await suspended.deposit();
  await lab.registry.suspend("node1", true);
  lab.clock.advance(600);
  feeds[0].tells(
    [silent, suspended].map((node) =>
      host(node.ip, { slicelab_node: node.name, load_one: "0", cpu_num: "64", slicelab_node_manager: "1" }),
    ),
  );
  await polled(lab);
  lab.clock.advance(30);
  await polled(lab);
  const { heard, monitored, liveness } = await ad(lab, silent);
  assert.deepEqual([heard, monitored], ["2030-01-01 12:00:00", "2030-01-01 12:11:30"]);
  assert.equal(liveness, 0);
  assert.deepEqual(await lab.alice.client.getads(), []);
  assert.deepEqual(await lab.alice.client.getads({ nodes: [suspended.name] }), []);
  await assert.rejects(
    lab.alice.client.newtickets({ ...ONE, slice: "any", ips: "0.0.0.0" }),
    refusal("NO_CAPACITY", /not been heard/),
  );
  await assert.rejects(
    lab.alice.client.newtickets({ ...ONE, slice: "pinned", ips: [suspended.ip] }),
    refusal("NO_CAPACITY", /suspended/),
  );
});

test("of several tellings of one node the worst counts, until it is old or taken back by who told it", async () => {
  await using fed = await fedLab();
  const { lab, feeds } = fed;
  const [node, other] = lab.nodes;
  const says = (load: string) => [host("192.0.2.9", { slicelab_node: node.name, load_one: load })];
  const load = async () => (await ad(lab, node)).load;
  feeds[0].tells([...says("0.1"), ...says("3"), host(node.ip, { load_one: "2" }), ...says("0.2")]);
  await polled(lab);
  assert.equal(await load(), 3, "within a dump");
  feeds[0].tells(says("1"));
  feeds[1].tells(says("0.5"));
  await polled(lab);
  await polled(lab);
  assert.equal(await load(), 1, "the first took back what it said, the second is the better of two");
  feeds[1].tells(says("8"));
  await polled(lab);
  assert.equal(await load(), 8, "and now the worse");
  feeds[1].tells([]);
  await polled(lab);
  await polled(lab);
  await polled(lab);
  assert.equal(await load(), 8, "said 90 s ago");
  await polled(lab);
  assert.equal(await load(), 1, "longer ago");
  assert.equal((await ad(lab, other)).load, null);
});

test("identities that are none, addresses that are none, and texts with markup are nobody's", async () => {
  await using fed = await fedLab();
  const { lab, feeds } = fed;
  const [node, other] = lab.nodes;
  const nasty = `"><script>alert(1)</script>'; drop table nodes; --`;
  feeds[0].tells([
    host(nasty, { slicelab_node: nasty, load_one: "5" }, { name: nasty, cluster: nasty, location: nasty }),
    host(node.ip, { slicelab_node: "ab".repeat(32), load_one: "5" }),
    host(` ${node.ip}`, { load_one: "5" }),
    host(node.ip, { slicelab_node: node.name.toUpperCase(), load_one: "0.25", cpu_num: nasty }),
    host(other.ip, { load_one: nasty, cpu_num: "0", boottime: "1e9", mem_available: "-1" }),
  ]);
  await polled(lab);
  const [known, unknown] = [await ad(lab, node), await ad(lab, other)];
  assert.deepEqual([known.load, known.cpus], [0.25, null], "a key that is none: it is known by its address");
  assert.deepEqual([unknown.load, unknown.cpus, unknown.monitored], [null, null, "2030-01-01 12:00:30"]);
  const [{ count } = {}] = await lab.database.rows<{ count: number }>("select count(*) from conditions");
  assert.equal(count, 2);
  const page = await (await fetch(lab.agent.announce.web)).text();
  const document = await (await fetch(new URL("/nodes.xml", lab.agent.announce.web))).text();
  assert.ok(!page.includes("alert") && !document.includes("script"));
});

test("whatever a host says of itself, what is made of it can be written down", () => {
  fc.assert(
    fc.property(anyHost("c"), fc.string(), fc.string(), (any, first, second) => {
      const values = {
        load_one: first,
        cpu_num: second,
        boottime: first,
        mem_available: second,
        slicelab_node: first,
      };
      const metrics = [...any.metrics, ...host("", values).metrics];
      const { load, cpus, memoryAvailableMib, booted, monitored, node } = conditionOf(
        { ...any, metrics },
        NOW,
      );
      assert.ok(load === undefined || (load >= 0 && load < 1_000_000));
      for (const whole of [cpus, memoryAvailableMib, booted, monitored])
        assert.ok(whole === undefined || (Number.isSafeInteger(whole) && whole >= 0));
      assert.ok(monitored <= NOW && (cpus === undefined || (cpus > 0 && cpus < 65_536)));
      assert.ok(node === undefined || /^[0-9a-f]{64}$/.test(node));
    }),
  );
});

test("numbers are read as gmond, gmetad and people write them", () => {
  const values = { load_one: "12.50", cpu_num: "8", boottime: "1700000000", mem_available: "2097152.000" };
  const { load, cpus, booted, memoryAvailableMib } = conditionOf(host("10.0.0.1", values), NOW);
  assert.deepEqual([load, cpus, booted, memoryAvailableMib], [12.5, 8, 1_700_000_000, 2048]);
  for (const wrong of ["-1", "1e3", "NaN", "inf", "", " 1", "1000000", "0x10", "1,5", "9".repeat(400)])
    assert.equal(conditionOf(host("10.0.0.1", { load_one: wrong }), NOW).load, undefined, wrong);
});
