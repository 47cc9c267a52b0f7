import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { runSlice } from "#test/services/service-manager/run-slice.ts";
import type { TestbedDescription } from "#testbed/description.ts";
import type { PEOPLE, TestbedEngine } from "#testbed/layout.ts";
import { testDatabase } from "./database.ts";
import { eventually, within } from "./deadline.ts";
import { temporaryDirectory } from "./directory.ts";
import { type ProgramResult, runProgram } from "./program.ts";
import { TestbedClients } from "./testbed-clients.ts";

export type Person = (typeof PEOPLE)[number]["name"];

/** A service of a testbed: its agent, its broker if it has one, or the node manager of a node, the first of which is 0. */
export type Service = "agent" | "broker" | number;

export type TestbedProcessOptions = {
  /** Three unless given. */
  readonly nodes?: number;
  readonly engine?: TestbedEngine;
  /** Also open v0.5's ports without TLS. */
  readonly plain?: boolean;
  /** With a resource monitor on every node. */
  readonly monitors?: boolean;
  /** With a broker, which `slice` asks first. */
  readonly broker?: boolean;
  /** With a PostgreSQL of its own, as people have it, for tests that kill it; else it is on that of the test run. */
  readonly ownPostgres?: boolean;
};

export const PROJECT = fileURLToPath(new URL("../../", import.meta.url));

const START_MILLISECONDS = 120_000;
const STOP_MILLISECONDS = 60_000;

/**
 * Starts a testbed as a process of its own, as a person would, in a temporary home and on ports nobody else has. When
 * disposed of it is interrupted, and its home is removed.
 */
export async function testbedProcess(options: TestbedProcessOptions = {}): Promise<TestbedProcess> {
  await using owned = new AsyncDisposableStack();
  const directory = owned.use(await temporaryDirectory());
  const database = options.ownPostgres ? undefined : owned.use(await testDatabase());
  const lab = new TestbedProcess(join(directory.path, "home"), options, database?.url);
  await lab.start();
  lab.keep(owned.move());
  return lab;
}

export class TestbedProcess implements AsyncDisposable {
  readonly home: string;
  /** Everything it has told people, line by line. */
  readonly said: string[] = [];
  readonly #database: string | undefined;
  /** What goes after it has ended. */
  #kept = new AsyncDisposableStack();
  readonly #args: readonly string[];
  #running: { child: ChildProcess; description: TestbedDescription; clients: TestbedClients } | undefined;

  constructor(home: string, options: TestbedProcessOptions, database?: string) {
    const { nodes = 3, engine = "simulated", plain = false, monitors = false, broker = false } = options;
    this.home = home;
    this.#database = database;
    const given = ["--home", this.home, "--nodes", String(nodes), "--engine", engine, "--ports", "random"];
    const without = [...(monitors ? [] : ["--no-monitors"]), ...(broker ? [] : ["--no-broker"])];
    this.#args = [...given, ...(plain ? ["--plain"] : []), ...without];
  }

  get #now() {
    if (!this.#running) throw new Error("the testbed is not running");
    return this.#running;
  }

  /** The testbed's own process. */
  get pid(): number {
    return this.#now.child.pid!;
  }

  /** What testbed.json says. */
  get description(): TestbedDescription {
    return this.#now.description;
  }

  /** Calls in somebody's name, out of this process. */
  get clients(): TestbedClients {
    return this.#now.clients;
  }

  /** Makes `kept` go with it, after it has ended. */
  keep(kept: AsyncDisposableStack): void {
    this.#kept = kept;
  }

  /** Starts it again on the same home; nothing when it runs. */
  async start(): Promise<void> {
    if (this.#running) return;
    const from = this.said.length;
    const child = spawnTestbed(this.#args, this.#database);
    createInterface({ input: child.stderr! }).on("line", (line) =>
      this.said.push(line.replace(/^testbed: /, "")),
    );
    const outcome = await eventually(
      () => ended(child) || this.said.slice(from).some((line) => line.startsWith("ready: ")),
      { withinMs: START_MILLISECONDS, what: "the testbed being ready" },
    );
    if (outcome !== true) fail(`the testbed ended with ${outcome}: ${this.said.slice(from).join("\n")}`);
    const description = await this.#read();
    this.#running = { child, description, clients: await TestbedClients.open(description) };
  }

  async #read(): Promise<TestbedDescription> {
    return JSON.parse(await readFile(join(this.home, "testbed.json"), "utf8"));
  }

  /** Runs the `slice` command in a process of its own, in somebody's name. */
  slice(who: Person, ...args: string[]): Promise<ProgramResult> {
    return runProgram(join(PROJECT, "bin/slice"), args, { cwd: PROJECT, env: this.environment(who) });
  }

  /** As `slice`, in this process: the same code without the start of a program. One after the other, as a shell would. */
  async command(who: Person, ...args: string[]): Promise<ProgramResult> {
    return await runSlice(args, { env: { ...process.env, ...this.environment(who) } });
  }

  /** What makes `slice` somebody's. */
  environment(who: Person): Record<string, string> {
    return { SLICELAB_HOME: this.description.principals[who]!.home };
  }

  pidOf(service: Service): number {
    const { agent, broker, nodes } = this.description;
    if (service === "broker") return broker!.pid;
    return (service === "agent" ? agent : nodes[service]!).pid;
  }

  /** Sends a signal to a service and resolves when its process has gone. */
  async kill(service: Service, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    process.kill(this.pidOf(service), signal);
    await this.gone(service);
  }

  /** Resolves when the process of a service has gone, whatever ended it, and the testbed has noticed. */
  async gone(service: Service): Promise<void> {
    const pid = this.pidOf(service);
    await eventually(() => !existsSync(`/proc/${pid}`), { what: `the end of process ${pid}` });
  }

  /** Has the testbed start again what has ended; gives the names of what it started. */
  async revive(): Promise<string[]> {
    const from = this.said.length;
    process.kill(this.pid, "SIGHUP");
    const answer = await eventually(
      () => this.said.slice(from).find((line) => !/ ended \(.*\); kill -HUP /.test(line)),
      { what: "the testbed starting what had ended", withinMs: START_MILLISECONDS },
    );
    const [, names] = /^(?:started again: (.*)|every service is running)$/.exec(answer) ?? fail(answer);
    this.#now.description = await this.#read();
    return names?.split(", ") ?? [];
  }

  /** Ends it as Ctrl-C does. Throws unless it ends well. */
  async stop(): Promise<void> {
    const child = this.#forget();
    if (!ended(child)) {
      const exit = once(child, "exit");
      child.kill("SIGINT");
      await within(exit, { what: "the testbed's end", withinMs: STOP_MILLISECONDS });
    }
    if (child.exitCode !== 0)
      fail(`the testbed ended with ${ended(child)}: ${this.said.slice(-5).join("\n")}`);
  }

  /** Kills it as a fault would; its services end by themselves. Resolves when all of them have gone. */
  async crash(): Promise<void> {
    const { agent, broker, nodes } = this.description;
    const services = [agent, ...(broker ? [broker] : []), ...nodes].map(({ pid }) => pid);
    const child = this.#forget();
    child.kill("SIGKILL");
    await eventually(() => !services.some(isProcess), { what: "the end of a killed testbed's services" });
  }

  #forget(): ChildProcess {
    const { child, clients } = this.#now;
    this.#running = undefined;
    clients[Symbol.dispose]();
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#running) await this.stop();
    } finally {
      await this.#kept.disposeAsync();
    }
  }
}

/**
 * Runs the testbed's command line, on a PostgreSQL of its own unless it is given the URL of an empty database. It ends
 * as if interrupted when this process dies without ending it.
 */
export function spawnTestbed(args: readonly string[], database?: string): ChildProcess {
  const { DATABASE_URL: _, ...others } = process.env; // that of the test run is for many
  const env = database === undefined ? others : { ...others, DATABASE_URL: database };
  const command = [process.execPath, "testbed/main.ts", ...args];
  return spawn("setpriv", ["--pdeathsig", "INT", "--", ...command], {
    cwd: PROJECT,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
}

/** What a process ended with, in words; undefined while it runs. */
function ended({ exitCode, signalCode }: ChildProcess): string | undefined {
  return signalCode ?? (exitCode === null ? undefined : `exit code ${exitCode}`);
}

/** Whether there is such a process. A zombie is none. */
export function isProcess(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return false;
    throw error;
  }
}

function fail(message: string): never {
  throw new Error(message);
}
