import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { canMakeContainers } from "./engine-choice.ts";
import type { TestbedEngine } from "./layout.ts";
import { testbedTable } from "./table.ts";
import type { Testbed } from "./testbed.ts";

/**
 * Shows a slice's whole life on a testbed that lasts as long as the demonstration: plan, create, what its program
 * says on every node, renewal, deletion, each as the commands a researcher would type, and what each took.
 */
const PROJECT = fileURLToPath(new URL("..", import.meta.url));
const SLICE = "oceanstore";
const NODES = 3;

/** Ctrl-C: what was started is ended in order all the same. */
const interrupted = new AbortController();

/** What is typed, word by word, and why. */
const STEPS: readonly (readonly [why: string, ...words: string[]])[] = [
  ["What would happen?", "plan", "examples/oceanstore.xml"],
  ["Three nodes, three signed leases, the program started in each", "create", "examples/oceanstore.xml"],
  ["How it stands", "status", SLICE],
  ["What the program says, on every node at once", "logs", SLICE, "--lines", "2"],
  ["Longer, please", "renew", SLICE],
  ["All of it goes away again", "delete", SLICE],
  ["Nothing is left", "list"],
];

async function main(): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort());
  const home = await mkdtemp(join(tmpdir(), "slicelab-demo-"));
  try {
    const started = performance.now();
    const engine = await bestEngine(home);
    const { startTestbed } = await import("./testbed.ts");
    await using testbed = await startTestbed({
      ...{
        home,
        nodes: NODES,
        engine,
        administrative: false,
        plain: false,
        monitors: true,
        broker: true,
        randomPorts: true,
        progress: say,
      },
    });
    const took: [string, number][] = [["testbed of three nodes", performance.now() - started]];
    print(testbedTable(testbed).split("\n\n")[0]!);
    for (const [why, ...words] of STEPS) took.push(await step(testbed, why, words));
    heading("What each step took");
    for (const [what, milliseconds] of took)
      print(`${what.padEnd(44)} ${milliseconds.toFixed(0).padStart(7)} ms`);
    say("ending the testbed");
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Real slivers where they can be made; otherwise says in one line that they are simulated, and why. */
async function bestEngine(home: string): Promise<TestbedEngine> {
  say("finding out whether this machine can make real slivers");
  const probe = await canMakeContainers(home);
  if (probe.ok) {
    print("Slivers are real containers here.");
    return "container";
  }
  print(`Slivers are SIMULATED here, nothing runs in them: ${probe.reason}.`);
  return "simulated";
}

async function step(testbed: Testbed, why: string, words: readonly string[]): Promise<[string, number]> {
  heading(`${why}\n$ slice ${words.map(quoted).join(" ")}`);
  const begin = performance.now();
  const code = await slice(testbed, words);
  interrupted.signal.throwIfAborted();
  const took = performance.now() - begin;
  if (code !== 0) throw new Error(`slice ${words[0]} ended with exit code ${code}`);
  return [`slice ${words.slice(0, 2).join(" ")}`, took];
}

/** Runs the `slice` command as alice. */
function slice(testbed: Testbed, words: readonly string[]): Promise<number | null> {
  const alice = testbed.people.find(({ name }) => name === "alice")!;
  const child = spawn(join(PROJECT, "bin/slice"), words, {
    cwd: PROJECT,
    env: { ...process.env, SLICELAB_HOME: alice.home },
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((resolve, reject) => child.once("exit", resolve).once("error", reject));
}

function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word}'`;
}

function heading(text: string): void {
  print(`\n── ${text}`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function say(line: string): void {
  process.stderr.write(`demo: ${line}\n`);
}

try {
  await main();
} catch (error) {
  say(interrupted.signal.aborted ? "interrupted; everything was taken down again" : (error as Error).message);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}
