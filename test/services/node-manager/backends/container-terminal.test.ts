import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Backend, Command } from "#services/node-manager/backends/backend.ts";
import { openPseudoTerminal } from "#services/node-manager/backends/container/inside/pseudo-terminal.ts";
import { run, someNode, somePlan } from "#test/contract/backend.ts";
import { type ContainerBench, containerBench, engineProbe, eventually } from "./container-bench.ts";

const probe = await engineProbe();
const TERMINAL = { type: "xterm", columns: 80, rows: 24 };

test("a terminal of the node's is inherited by nobody but whom it is handed to", async () => {
  const terminal = await openPseudoTerminal(80, 24);
  const bystander = spawn("sleep", ["1000"]);
  await once(bystander, "spawn");
  const held = await Promise.all(
    (await readdir(`/proc/${bystander.pid}/fd`)).map((fd) => readlink(`/proc/${bystander.pid}/fd/${fd}`)),
  );
  bystander.kill();
  terminal.handOver();
  assert.deepEqual(
    held.filter((name) => /pt[ms]/.test(name)),
    [],
  );
  terminal.output.resume();
  await once(terminal.output, "end"); // nobody has its other end: it is over
});

test("a terminal of the node's changes nothing on its way, before anybody tells it so", async () => {
  const terminal = await openPseudoTerminal(80, 24);
  const shown = terminal.output.toArray();
  const program = spawn("sh", ["-c", "echo hello; head -c 3"], {
    stdio: [terminal.programEnd, terminal.programEnd, terminal.programEnd],
  });
  terminal.handOver();
  terminal.input.write("a\rb");
  await once(program, "exit");
  assert.equal(Buffer.concat(await shown).toString(), "hello\na\rb");
});

describe("a terminal in a container sliver", { skip: !probe.ok && probe.reason }, () => {
  let bench: ContainerBench;
  let backend: Backend;
  const node = someNode();
  const plan = somePlan();
  before(async () => {
    bench = await containerBench();
    backend = await bench.open(node);
    await backend.ensure(plan);
  });
  after(() => bench[Symbol.asyncDispose]());

  test("has the size that was asked for, and another one when it is told", async () => {
    const argv = ["sh", "-c", "stty size; read line; stty size"];
    const running = await backend.exec(plan.id, { argv, terminal: TERMINAL });
    const chunks: Buffer[] = [];
    running.stdout.on("data", (chunk) => chunks.push(chunk));
    await eventually("it says its first size", async () => Buffer.concat(chunks).includes("\n"));
    running.resize!(132, 43);
    running.resize!(-1, 7);
    running.resize!(70_000, 7);
    running.stdin.write("\r");
    running.stderr.resume();
    assert.equal((await running.exit).code, 0);
    assert.equal(Buffer.concat(chunks).toString(), "24 80\r\n\r\n43 132\r\n", "what is typed is shown once");
    running.resize!(80, 24); // it has ended: nothing
  });

  test("has its new size at once, before whatever carries its input comes to that", async () => {
    const argv = ["sh", "-c", "tty; sleep 1000"];
    const running = await backend.exec(plan.id, { argv, terminal: TERMINAL });
    const [name] = await once(running.stdout, "data");
    for (const output of [running.stdout, running.stderr]) output.resume();
    const carrier = Number(
      execFileSync("pgrep", ["-P", String(process.pid), "-x", "runc"], { encoding: "utf8" }),
    );
    process.kill(carrier, "SIGSTOP");
    try {
      running.resize!(132, 43);
      const size = ["stty", "-F", String(name).trim(), "size"];
      assert.equal((await run(backend, plan.id, { argv: size })).stdout, "43 132\n");
    } finally {
      process.kill(carrier, "SIGCONT");
      running.kill("SIGKILL");
      await running.exit;
    }
  });

  test("is refused to whom no program could show anything", async () => {
    const bad: Command["terminal"][] = [
      { ...TERMINAL, type: "../evil" },
      { ...TERMINAL, type: "" },
      { ...TERMINAL, columns: -1 },
      { ...TERMINAL, rows: 70_000 },
      { ...TERMINAL, columns: 1.5 },
    ];
    for (const terminal of bad) {
      await assert.rejects(backend.exec(plan.id, { argv: ["true"], terminal }), { name: "MALFORMED" });
    }
  });

  test("is hung up when nobody listens any more; what ignores that goes on without it", async () => {
    const script = "trap 'exit 9' HUP; (trap '' HUP; exec sleep 3131) & echo up; while :; do sleep 1; done";
    const running = await backend.exec(plan.id, { argv: ["sh", "-c", script], terminal: TERMINAL });
    running.stderr.resume();
    await once(running.stdout, "data");
    running.stdout.resume();
    running.kill("SIGHUP");
    await running.exit;
    const { stdout } = await run(backend, plan.id, { argv: ["ps", "-o", "args"] });
    assert.match(stdout, /sleep 3131/);
    assert.doesNotMatch(stdout, /while :/);
    await run(backend, plan.id, { argv: ["pkill", "sleep"] });
  });

  test("is hung up when its node manager is killed", async () => {
    const child = spawnNodeManager({
      node,
      stateDirectory: bench.stateDirectory,
      imagesDirectory: bench.imagesDirectory,
    });
    await once(child.stdout!, "data");
    const there = async () =>
      (await run(backend, plan.id, { argv: ["ps", "-o", "args"] })).stdout.includes("sleep 4141");
    await eventually("the command runs", there);
    child.kill("SIGKILL");
    await eventually("the command has ended", async () => !(await there()));
  });

  /** Another node manager's process, which runs a command on a terminal and stays. */
  function spawnNodeManager(options: object): ChildProcess {
    const engine = join(
      import.meta.dirname,
      "../../../../services/node-manager/backends/container/engine.ts",
    );
    const terminal = JSON.stringify(TERMINAL);
    const program = `import { containerBackend } from ${JSON.stringify(engine)};
      const backend = await containerBackend({ ...${JSON.stringify(options)}, images: ["busybox"], now: () => 1_900_000_000 });
      const argv = ["sh", "-c", "sleep 4141"];
      const running = await backend.exec(${JSON.stringify(plan.id)}, { argv, terminal: ${terminal} });
      running.stdout.resume();
      console.log("up");`;
    return spawn(process.execPath, ["--input-type=module", "--eval", program]);
  }
});
