import assert from "node:assert/strict";
import { test } from "node:test";
import { dumpChunks } from "#services/agent/monitors/dump-connection.ts";
import { POLL_LIMITS } from "#services/agent/monitors/poll.ts";
import { eventually } from "#test/support/deadline.ts";
import { agentLab } from "../agent-lab.ts";
import { ad, fedLab, polled } from "./fed-lab.ts";
import { dump, type Feed, feed, host } from "./feed.ts";

test("what a monitor tells of a node is in its advertisement, until it is old", async () => {
  await using fed = await fedLab();
  const { lab, feeds } = fed;
  const [node, other] = lab.nodes;
  const before = await ad(lab, node);
  assert.deepEqual([before.load, before.cpus, before.monitored], [null, null, null]);
  feeds[0].tells([
    host("192.0.2.1", { slicelab_node: node.name, load_one: ["1.25", 10], cpu_num: "4" }, { tn: 7 }),
    host(other.ip, { load_one: "0" }),
    host("192.0.2.3", { load_one: "9" }),
  ]);
  await polled(lab);
  const { load, cpus, monitored } = await ad(lab, node);
  assert.deepEqual([load, cpus, monitored], [1.25, 4, "2030-01-01 12:00:23"], "by its key, with ages");
  assert.deepEqual([(await ad(lab, other)).load, (await ad(lab, other)).cpus], [0, null], "by its address");
  feeds[0].tells([]);
  lab.clock.advance(80);
  assert.equal((await ad(lab, node)).load, 1.25, "measured 90 s ago");
  lab.clock.advance(1);
  assert.deepEqual([(await ad(lab, node)).load, (await ad(lab, node)).cpus], [null, 4]);
  assert.equal((await ad(lab, node)).monitored, monitored);
});

test("getads asks for a load of at most so much, which has to be known", async () => {
  await using fed = await fedLab({ nodes: 3 });
  const { lab, feeds } = fed;
  feeds[0].tells([host("10.77.0.1", { load_one: "0.5" }), host("10.77.0.2", { load_one: "2.50" })]);
  await polled(lab);
  const ips = async (max_load: number) => {
    const ads = await lab.alice.client.getads({ max_load });
    return ads.map((one) => typeof one === "object" && one.ip).toSorted();
  };
  assert.deepEqual(await ips(2.5), ["10.77.0.1", "10.77.0.2"]);
  assert.deepEqual(await ips(2.49), ["10.77.0.1"]);
  assert.deepEqual(await ips(0), []);
  await assert.rejects(lab.alice.client.getads({ max_load: -1 }), /max_load/);
});

test("a monitor that refuses, hangs, lies, breaks off or never ends keeps none of the others", async () => {
  const feeds: Feed[] = [];
  await using owned = new AsyncDisposableStack();
  for (let at = 0; at < 6; at++) feeds.push(owned.use(await feed()));
  const [hanging, lying, broken, endless, dead, good] = feeds as [Feed, Feed, Feed, Feed, Feed, Feed];
  const monitors = feeds.map(({ address }) => ({ ...address }));
  const pollLimits = { ...POLL_LIMITS, milliseconds: 8000 };
  await using lab = await agentLab({ config: { monitors }, deps: { pollLimits } });
  await lab.agent.look();
  const [node, other] = lab.nodes;
  const whole = dump([host(node.ip, { load_one: "1" }), host(other.ip, { load_one: "2" })]);
  hanging.tells(() => undefined);
  lying.tells("HTTP/1.1 200 OK\r\n\r\nhello");
  broken.tells(whole.slice(0, whole.lastIndexOf("<HOST")));
  endless.tells((socket) => void socket.write(`<GANGLIA_XML VERSION="1" SOURCE="${"x".repeat(200_000)}`));
  await dead[Symbol.asyncDispose]();
  good.tells([host(other.ip, { load_one: "4" })]);
  const looking = polled(lab);
  await eventually(async () => (await ad(lab, other)).load === 4 && (await ad(lab, node)).load === 1, {
    what: "what a good monitor tells, and what another did before it broke off",
    withinMs: 7500,
  });
  await looking;
  const metrics = await (await fetch(new URL("/metrics", lab.agent.announce.web))).text();
  assert.equal([...metrics.matchAll(/failures_total\{.*\} 1/g)].length, 5);
  const port = (one: Feed) => `127.0.0.1:${one.address.port}`;
  for (const line of [
    `answers_total{monitor="${port(good)}"} 2\n`,
    `monitor_hosts{monitor="${port(good)}"} 1\n`,
    `age_seconds{monitor="${port(good)}"} 0\n`,
    `age_seconds{monitor="${port(hanging)}"} 30\n`,
    'slicelab_agent_nodes{state="heard"} 2\n',
  ])
    assert.ok(metrics.includes(line), line);
  const page = await (await fetch(lab.agent.announce.web)).text();
  for (const said of [/no whole dump came within 8 s/, /not well-formed/, /has no end/, /ECONNREFUSED/])
    assert.match(page, said);
});

test("a dump beyond what a poll takes is left there, and what came before counts", async () => {
  const limits = { ...POLL_LIMITS, hosts: 2 };
  await using fed = await fedLab({ deps: { pollLimits: limits } });
  const { lab, feeds } = fed;
  const many = ["10.77.0.1", "192.0.2.1", "10.77.0.2"].map((ip) => host(ip, { load_one: "1" }));
  feeds[0].tells(many);
  await polled(lab);
  assert.deepEqual([(await ad(lab, lab.nodes[0])).load, (await ad(lab, lab.nodes[1])).load], [1, null]);
  assert.match(await (await fetch(lab.agent.announce.web)).text(), /more than 2 hosts/);
});

test("agents on one database poll each monitor once in its time, whichever comes first", async () => {
  await using fed = await fedLab();
  const { lab, feeds } = fed;
  await using _sibling = await lab.sibling();
  await eventually(() => feeds[0].asked === 1 && feeds[1].asked === 1);
  for (let round = 2; round < 6; round++) {
    await polled(lab);
    await eventually(() => feeds[0].asked >= round && feeds[1].asked >= round); // by either of them
    lab.clock.advance(29);
    await lab.agent.look();
    assert.deepEqual([feeds[0].asked, feeds[1].asked], [round, round]);
    lab.clock.advance(1);
  }
});

test("a monitor that cannot be connected to in time is left with the reason", async () => {
  await using one = await feed();
  const giving = new AbortController();
  const first = dumpChunks(one.address, giving.signal).next();
  const late = new DOMException("late", "TimeoutError");
  giving.abort(late);
  await assert.rejects(first, late);
  await assert.rejects(dumpChunks(one.address, giving.signal).next(), late);
});
