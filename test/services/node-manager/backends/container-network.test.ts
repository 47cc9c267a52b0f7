import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import type { SliverFact, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { type Outcome, someNode, somePlan } from "#test/contract/backend.ts";
import { type ContainerBench, containerBench, engineProbe, eventually } from "./container-bench.ts";

const probe = await engineProbe();
const REMOTE = new URL("container-remote.ts", import.meta.url).pathname;
const NODE_ADDRESS = "192.0.2.1";
const OUTSIDE_ADDRESS = "192.0.2.2";

/** A backend in another process, in the network namespace of that name. */
class Remote {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(namespace: string, options: object) {
    const argv = [`--net=/run/netns/${namespace}`, process.execPath, REMOTE, JSON.stringify(options)];
    this.#process = spawn("nsenter", argv, { stdio: ["pipe", "pipe", "inherit"] });
    this.#answers = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  async ask<T>(...words: unknown[]): Promise<T> {
    this.#process.stdin?.write(`${JSON.stringify(words)}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`no answer to ${words[0]}`);
    return JSON.parse(value);
  }

  sh(plan: SliverPlan, script: string): Promise<Outcome> {
    return this.ask("sh", plan.id, script);
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }
}

function ip(...words: string[]): string {
  return execFileSync("ip", words).toString();
}

/** Answers every connection in that network namespace with "hello", and keeps who connected or sent a datagram. */
class Greeter {
  static readonly port = 4000;
  readonly callers: string[] = [];
  readonly #process: ChildProcess;

  private constructor(namespace: string) {
    const program = `const greet = (s) => { console.log(s.remoteAddress); s.on("error", () => 0); s.end("hello"); };
      const datagrams = require("dgram").createSocket("udp4", (_, from) => console.log(from.address));
      datagrams.bind(${Greeter.port}, () =>
        require("net").createServer(greet).listen(${Greeter.port}, "0.0.0.0", () => console.log("up")));`;
    this.#process = spawn("nsenter", [`--net=${namespace}`, process.execPath, "-e", program], {
      stdio: "pipe",
    });
    this.#process.stdout?.on("data", (chunk) => this.callers.push(...String(chunk).trim().split("\n")));
  }

  static async start(namespace: string): Promise<Greeter> {
    const greeter = new Greeter(namespace);
    await eventually("the greeter listens", async () => greeter.callers.shift() === "up");
    return greeter;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill();
    await once(this.#process, "exit");
  }
}

/** Whether a connection from that network namespace, from `source` if that is given, is answered within a second. */
function reaches(namespace: string, host: string, source?: string): boolean {
  const options = JSON.stringify({ host, port: Greeter.port, localAddress: source, timeout: 1000 });
  const program = `const s = require("net").connect(${options}); s.pipe(process.stdout);
    s.on("timeout", () => s.destroy()); s.on("error", () => 0)`;
  const argv = [`--net=${namespace}`, process.execPath, "-e", program];
  return spawnSync("nsenter", argv, { stdio: ["ignore", "pipe", "ignore"] }).stdout.toString() === "hello";
}

function sendDatagram(namespace: string, source: string, host: string): void {
  const program = `const s = require("dgram").createSocket("udp4");
    s.bind(0, "${source}", () => s.send("hello", ${Greeter.port}, "${host}", () => s.close()))`;
  execFileSync("nsenter", [`--net=${namespace}`, process.execPath, "-e", program]);
}

describe("the network of container slivers", { skip: !probe.ok && probe.reason }, () => {
  const id = someNode();
  const [node, outside] = [`test-${someNode()}`, `test-${someNode()}`];
  const at = (name: string) => `/run/netns/${name}`;
  const [mine, neighbour] = [somePlan(), somePlan({ ceilings: { egressKbps: 800 } })];
  let bench: ContainerBench;
  let remote: Remote;

  const open = () => new Remote(node, { ...bench, node: id });
  const read = async (plan: SliverPlan, file: string) =>
    JSON.parse(await readFile(join(bench.stateDirectory, id, "slivers", plan.id, file), "utf8"));
  const addressOf = async (plan: SliverPlan): Promise<string> => (await read(plan, "address.json")).address;
  const within = async (plan: SliverPlan) => `/proc/${(await read(plan, "running.json")).pid}/ns/net`;

  before(async () => {
    bench = await containerBench();
    makeNamespaces();
    remote = open();
    for (const plan of [mine, neighbour]) await remote.ask("ensure", plan);
  });
  after(async () => {
    for (const plan of [mine, neighbour]) await remote.ask("remove", plan.id);
    await remote.kill();
    for (const name of [node, outside]) ip("netns", "delete", name);
    await bench[Symbol.asyncDispose]();
  });

  function makeNamespaces(): void {
    for (const name of [node, outside]) {
      ip("netns", "add", name);
      ip("-n", name, "link", "set", "lo", "up");
    }
    ip("-n", node, "link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", outside);
    for (const [name, address] of [
      [node, NODE_ADDRESS],
      [outside, OUTSIDE_ADDRESS],
    ] as const) {
      ip("-n", name, "addr", "add", `${address}/24`, "dev", "up0");
      ip("-n", name, "link", "set", "up0", "up");
    }
    // The outside knows the way to any sliver and would answer any address: what keeps packets back is the node alone.
    ip("-n", outside, "route", "add", "default", "via", NODE_ADDRESS);
  }

  /** What `nc` in the sliver hears from a greeter. */
  async function hears(plan: SliverPlan, address: string): Promise<string> {
    return (await remote.sh(plan, `nc -w 1 ${address} ${Greeter.port} < /dev/null`)).stdout;
  }

  test("gives each sliver an address of its own, from the node's block", async () => {
    const addresses = [await addressOf(mine), await addressOf(neighbour)];
    assert.notEqual(addresses[0], addresses[1]);
    for (const [index, plan] of [mine, neighbour].entries()) {
      const { stdout } = await remote.sh(plan, "ip -o -4 addr show eth0");
      assert.ok(stdout.includes(` ${addresses[index]}/32 `), stdout);
      assert.match(addresses[index] ?? "", /^10\.(12[89]|1[3-9]\d|2\d\d)\./);
    }
  });

  test("lets a sliver reach itself, its node and the outside, which sees only the node's address", async () => {
    await using greeter = await Greeter.start(at(outside));
    assert.equal(await hears(mine, OUTSIDE_ADDRESS), "hello");
    assert.deepEqual(greeter.callers, [NODE_ADDRESS]);
    await using _node = await Greeter.start(at(node));
    assert.equal(await hears(mine, NODE_ADDRESS), "hello");
    await using _self = await Greeter.start(await within(mine));
    assert.equal(await hears(mine, "127.0.0.1"), "hello");
    assert.equal(await hears(mine, await addressOf(mine)), "hello");
  });

  test("lets nobody but the node reach a sliver's private address", async () => {
    await using _mine = await Greeter.start(await within(mine));
    const address = await addressOf(mine);
    assert.equal(reaches(at(node), address), true);
    assert.equal(reaches(at(outside), address), false);
    assert.equal(await hears(neighbour, address), "");
  });

  test("drops what does not come from a sliver's own address", async () => {
    await using greeter = await Greeter.start(at(outside));
    const inside = await within(mine);
    const [own, others] = [await addressOf(mine), ["198.51.100.7", await addressOf(neighbour), NODE_ADDRESS]];
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
    await using _greeter = await Greeter.start(at(outside));
    ip("-n", outside, "addr", "add", "169.254.169.254/32", "dev", "lo");
    ip("-n", node, "route", "add", "169.254.169.254", "via", OUTSIDE_ADDRESS);
    assert.equal(reaches(at(node), "169.254.169.254"), true);
    assert.equal(await hears(mine, "169.254.169.254"), "");
  });

  test("holds a sliver to its egress ceiling, which it can't lift", async () => {
    const classes = [`--net=${at(node)}`, "tc", "class", "show", "dev", `sl${id}root`];
    assert.match(execFileSync("nsenter", classes).toString(), /parent 1:f000 .* ceil 800Kbit/);
    const { code, stderr } = await remote.sh(neighbour, "ip link set eth0 down");
    assert.notEqual(code, 0);
    assert.match(stderr, /not permitted/);
  });

  test("is adopted by the next node manager, and made again when the network namespace is another one", async () => {
    await remote.kill();
    remote = open();
    {
      await using _before = await Greeter.start(at(outside));
      assert.equal(await hears(mine, OUTSIDE_ADDRESS), "hello");
    }

    await remote.kill();
    for (const name of [node, outside]) ip("netns", "delete", name);
    makeNamespaces();
    remote = open();
    for (const { state } of await remote.ask<SliverFact[]>("list")) assert.equal(state, "stopped");
    for (const plan of [mine, neighbour]) await remote.ask("ensure", plan);
    await using _greeter = await Greeter.start(at(outside));
    assert.equal(await hears(mine, OUTSIDE_ADDRESS), "hello");
  });

  test("goes with the slivers: links, rules and all", async () => {
    const rules = () => execFileSync("nsenter", [`--net=${at(node)}`, "nft", "list", "tables"]).toString();
    await using _greeter = await Greeter.start(at(outside));
    assert.equal(rules(), `table inet slicelab_${id}\n`);
    await remote.ask("remove", mine.id);
    assert.equal(rules(), `table inet slicelab_${id}\n`);
    assert.equal(await hears(neighbour, OUTSIDE_ADDRESS), "hello");
    await remote.ask("remove", neighbour.id);
    assert.equal(rules(), "");
    assert.deepEqual(await remote.ask("leftovers"), []);
    const links: { ifname: string }[] = JSON.parse(ip("-n", node, "-json", "link"));
    assert.deepEqual(
      links.map(({ ifname }) => ifname),
      ["lo", "up0"],
    );
  });
});
