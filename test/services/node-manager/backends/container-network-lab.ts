import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { SliverPlan } from "#services/node-manager/backends/backend.ts";
import { type Outcome, someNode } from "#test/contract/backend.ts";
import { type ContainerBench, containerBench, eventually } from "./container-bench.ts";

const REMOTE = new URL("container-remote.ts", import.meta.url).pathname;
export const NODE_ADDRESS = "192.0.2.1";
export const OUTSIDE_ADDRESS = "192.0.2.2";

/** A backend in another process, in the network namespace of that name. */
export class Remote {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(enter: readonly [string, ...string[]], options: object) {
    const [program, ...argv] = [...enter, process.execPath, REMOTE, JSON.stringify(options)] as const;
    this.#process = spawn(program, argv, { stdio: ["pipe", "pipe", "inherit"] });
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

export function ip(...words: string[]): string {
  return execFileSync("ip", words).toString();
}

/** Runs a program of the machine in that network namespace to its end, and gives what it wrote. */
export function within(namespace: string, ...argv: string[]): string {
  return execFileSync("nsenter", [`--net=${namespace}`, ...argv]).toString();
}

/** As `within`, while other things go on. */
export async function meanwhile(namespace: string, ...argv: string[]): Promise<string> {
  return (await promisify(execFile)("nsenter", [`--net=${namespace}`, ...argv])).stdout;
}

/** Answers every connection in that network namespace with "hello", and keeps who connected or sent a datagram. */
export class Greeter {
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
export function reaches(namespace: string, host: string, source?: string): boolean {
  const options = JSON.stringify({ host, port: Greeter.port, localAddress: source, timeout: 1000 });
  const program = `const s = require("net").connect(${options}); s.pipe(process.stdout);
    s.on("timeout", () => s.destroy()); s.on("error", () => 0)`;
  const argv = [`--net=${namespace}`, process.execPath, "-e", program];
  return spawnSync("nsenter", argv, { stdio: ["ignore", "pipe", "ignore"] }).stdout.toString() === "hello";
}

export function sendDatagram(namespace: string, source: string, host: string, from = 0): void {
  const program = `const s = require("dgram").createSocket("udp4");
    s.bind(${from}, "${source}", () => s.send("hello", ${Greeter.port}, "${host}", () => s.close()))`;
  execFileSync("nsenter", [`--net=${namespace}`, process.execPath, "-e", program]);
}

/** A node and the outside, each in a network namespace of its own, and a cable between them. */
export class NetworkLab implements AsyncDisposable {
  readonly id = someNode();
  readonly bench: ContainerBench;
  readonly #names = [`test-${someNode()}`, `test-${someNode()}`] as const;

  private constructor(bench: ContainerBench) {
    this.bench = bench;
    this.connect();
  }

  static async make(): Promise<NetworkLab> {
    return new NetworkLab(await containerBench());
  }

  get nodeName(): string {
    return this.#names[0];
  }

  get node(): string {
    return `/run/netns/${this.#names[0]}`;
  }

  get outside(): string {
    return `/run/netns/${this.#names[1]}`;
  }

  get outsideName(): string {
    return this.#names[1];
  }

  connect(): void {
    const [node, outside] = this.#names;
    for (const name of this.#names) {
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

  disconnect(): void {
    for (const name of this.#names) ip("netns", "delete", name);
  }

  /** A node manager's engine in the node's network. */
  open(options: object = {}): Remote {
    return new Remote(["nsenter", `--net=${this.node}`], { ...this.bench, node: this.id, ...options });
  }

  async addressOf(plan: SliverPlan): Promise<string> {
    return (await this.#read(plan, "address.json")).address;
  }

  /** The sliver's own network. */
  async inside(plan: SliverPlan): Promise<string> {
    return `/proc/${(await this.#read(plan, "running.json")).pid}/ns/net`;
  }

  async #read(plan: SliverPlan, file: string) {
    return JSON.parse(
      await readFile(join(this.bench.stateDirectory, this.id, "slivers", plan.id, file), "utf8"),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnect();
    await this.bench[Symbol.asyncDispose]();
  }
}
