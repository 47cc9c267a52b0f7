import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import type { Backend } from "#services/node-manager/backends/backend.ts";
import { Cgroups } from "#services/node-manager/backends/machine/cgroups.ts";
import { STEPS } from "#services/node-manager/backends/microvm/steps.ts";
import { fault, run, someNode, somePlan } from "#test/contract/backend.ts";
import { eventually } from "./container-bench.ts";
import { type MicrovmBench, machinesOf, microvmBench, withoutMicrovms } from "./microvm-bench.ts";

const TERMINAL = { type: "xterm", columns: 80, rows: 24 };
const CHILD = new URL("microvm-child.ts", import.meta.url).pathname;

describe("a microvm sliver", { skip: await withoutMicrovms() }, () => {
  const node = someNode();
  const plan = somePlan();
  const { id } = plan;
  let bench: MicrovmBench;
  let backend: Backend;
  before(async () => {
    bench = await microvmBench();
    backend = await bench.open(node);
    await backend.ensure(plan);
  });
  after(() => bench[Symbol.asyncDispose]());

  async function sh(script: string): Promise<string> {
    return (await run(backend, id, { argv: ["sh", "-c", script] })).stdout;
  }

  /** Everything the machine has that carries the node's short id. */
  async function traces(): Promise<string[]> {
    const cgroups = await (await Cgroups.find()).startingWith(`slicelab-${node}`);
    const links = execFileSync("ip", ["-o", "link"]).toString().split("\n");
    const tables = execFileSync("nft", ["list", "tables"]).toString().split("\n");
    const named = [...links, ...tables].filter((line) => line.includes(node));
    return [...cgroups, ...named, ...(await machinesOf(node))];
  }

  async function machineProcess(): Promise<string> {
    const [pid] = await machinesOf(node);
    return readFile(`/proc/${pid}/status`, "utf8");
  }

  test("has a kernel of its own, and the memory and the name of its plan", async () => {
    const [kernel, host, memory] = (await sh("uname -r; hostname; grep MemAvailable /proc/meminfo")).split(
      "\n",
    );
    assert.notEqual(kernel, execFileSync("uname", ["-r"]).toString().trim());
    assert.equal(host, plan.slice);
    const available = Number(/\d+/.exec(memory!)?.[0]) / 1024;
    const { memoryMib } = plan.resources;
    assert.ok(available > 0.75 * memoryMib && available < 1.5 * memoryMib, `${available} MiB are available`);
  });

  test("is a process without rights that sees nothing of the machine", async () => {
    const status = await machineProcess();
    const [pid] = await machinesOf(node);
    assert.match(status, /^CapEff:\s0+$/m);
    assert.match(status, /^NoNewPrivs:\s1$/m);
    assert.match(status, /^Seccomp:\s2$/m);
    assert.ok(Number(/^Uid:\s(\d+)/m.exec(status)?.[1]) >= 0x7000_0000);
    assert.deepEqual(execFileSync("ls", [`/proc/${pid}/root/`]).toString(), "");
  });

  test("finds the end of its disk where its plan says", async () => {
    const said = await sh(
      "dd if=/dev/zero of=/root/much bs=1M count=100 2>&1; rm /root/much; sync; df -k / | tail -1",
    );
    assert.match(said, /No space left on device/);
    const size = Number(said.trim().split("\n").at(-1)?.split(/\s+/)[1]);
    assert.ok(size > 0.75 * 64 * 1024 && size <= 64 * 1024, `${size} KiB`);
    const { blocks } = await stat(join(bench.stateDirectory, node, "slivers", id, "disk"));
    assert.ok(blocks * 512 <= 64 * 1024 * 1024);
  });

  test("has a terminal with the size that was asked for, and another one when it is told", async () => {
    const argv = ["sh", "-c", "stty size; read line; stty size; tty"];
    const running = await backend.exec(id, { argv, terminal: TERMINAL, user: "login" });
    let shown = "";
    running.stdout.on("data", (chunk) => {
      shown += chunk;
    });
    await eventually("the first size", async () => shown.startsWith("24 80\r\n"));
    running.resize!(132, 43);
    running.resize!(-1, 7);
    running.stdin.write("\r");
    running.stderr.resume();
    assert.equal((await running.exit).code, 0);
    assert.match(shown, /43 132\r\n\/dev\/pts\/\d+\r\n$/);
  });

  test("hangs up on a command that nobody listens to any more; what ignores that goes on without it", async () => {
    const script = "trap 'exit 9' HUP; (trap '' HUP; exec sleep 3131) & echo up; while :; do sleep 1; done";
    const running = await backend.exec(id, { argv: ["sh", "-c", script], terminal: TERMINAL });
    running.stderr.resume();
    await once(running.stdout, "data");
    running.stdout.resume();
    running.kill("SIGHUP");
    await running.exit;
    const processes = await sh("ps -o args");
    assert.match(processes, /sleep 3131/);
    assert.doesNotMatch(processes, /while :/);
    await sh("pkill sleep");
  });

  test("does not let one who reads slowly make others wait, nor lose a byte of what it reads late", async () => {
    const slow = await backend.exec(id, { argv: ["head", "-c", "3000000", "/dev/zero"] });
    slow.stdin.end();
    slow.stderr.resume();
    assert.equal(await sh("echo quick"), "quick\n");
    const late = Buffer.concat(await slow.stdout.toArray());
    assert.equal(late.length, 3_000_000);
    assert.deepEqual(await slow.exit, { code: 0 });
  });

  test("forwards connections in both directions, each ending by itself", async () => {
    const port = await backend.listen!(id, 0);
    port.onConnection(async (socket) => {
      const heard = await text(socket); // until the other side has said all of it
      socket.end(`${heard.length} bytes`);
    });
    const socket = await backend.connect!(id, "localhost", port.port);
    socket.end("x".repeat(1_000_000));
    assert.equal(await text(socket), "1000000 bytes");
    port.close();
    await port.closed;
    await assert.rejects(backend.connect!(id, "127.0.0.1", port.port), /ECONNREFUSED/);
    await assert.rejects(backend.listen!(id, 25), /EACCES/);
  });

  test("says 127 for what can't be started, and the signal that ended what could", async () => {
    assert.equal((await run(backend, id, { argv: ["/no/such/program"] })).code, 127);
    const killed = await backend.exec(id, { argv: ["sh", "-c", "kill -SEGV $$"] });
    killed.stdin.end();
    killed.stdout.resume();
    killed.stderr.resume();
    assert.deepEqual(await killed.exit, { code: 139, signal: "SIGSEGV" });
  });

  test("takes long commands, and refuses those that are too long", async () => {
    const long = "x".repeat(100_000);
    assert.equal(
      (await run(backend, id, { argv: ["sh", "-c", 'echo "$#$1" | wc -c', "sh", long] })).stdout.trim(),
      "100002",
    );
    await assert.rejects(backend.exec(id, { argv: ["true", "x".repeat(300_000)] }), fault("MALFORMED"));
  });

  test("runs on when its node manager is killed, and the next one has it, hanging up on what was left", async () => {
    const [machine] = await machinesOf(node);
    const places = { node, stateDirectory: bench.stateDirectory };
    const killed = spawn(process.execPath, [CHILD, JSON.stringify({ ...places, id })], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(killed.stdout!, "data"); // its command runs, and it is in the middle of an endless output
    await end(killed);
    const next = await bench.open(node);
    assert.deepEqual(await next.list(), [{ id, state: "running" }]);
    assert.equal((await run(next, id, { argv: ["hostname"] })).stdout, `${plan.slice}\n`);
    assert.deepEqual(await machinesOf(node), [machine]);
    await eventually(
      "what the killed one ran has ended",
      async () => !(await sh("ps -o args")).includes("sleep 4141"),
    );
  });

  test("that ends itself is stopped, and starts again on its disk", async () => {
    await sh("echo kept > /root/note; sync");
    const running = await backend.exec(id, { argv: ["sh", "-c", "echo b > /proc/sysrq-trigger"] });
    running.stdout.resume();
    running.stderr.resume();
    assert.deepEqual(await running.exit, { code: 137, signal: "SIGKILL" });
    await eventually("it is stopped", async () => (await backend.list())[0]?.state === "stopped");
    await backend.ensure(plan);
    assert.equal(await sh("cat /root/note"), "kept\n");
  });

  test("has as many processors as its plan asks for", async () => {
    const wide = somePlan({ ceilings: { cpuMillis: 64_000 } });
    await backend.ensure(wide);
    const { stdout } = await run(backend, wide.id, { argv: ["nproc"] });
    assert.equal(Number(stdout), availableParallelism());
    await backend.remove(wide.id);
  });

  test("is refused where it can't be what it is to be", async () => {
    const { resources } = plan;
    const small = [
      { ...resources, memoryMib: 1 },
      { ...resources, diskMib: 1 },
    ];
    for (const less of small)
      await assert.rejects(backend.ensure(somePlan({ resources: less })), fault("BACKEND_FAILED"));
    await assert.rejects(backend.ensure(somePlan({ administrative: [] })), fault("BACKEND_FAILED"));
    assert.equal((await backend.list()).length, 1);
  });

  test("leaves nothing on the machine when it is removed", async () => {
    assert.ok((await traces()).length >= 4);
    await backend.remove(id);
    assert.deepEqual(await traces(), []);
  });

  test("whose start broke off after any step is stopped and removed without a trace", async () => {
    for (const { name } of STEPS.slice(0, -1)) {
      const breaking = await bench.open(node, {
        onStep(step) {
          if (step === name) throw new Error("broken off");
        },
      });
      const broken = somePlan();
      await assert.rejects(breaking.ensure(broken), /broken off/);
      const caretaker = await bench.open(node);
      assert.deepEqual(await caretaker.list(), [{ id: broken.id, state: "stopped" }], name);
      await caretaker.remove(broken.id);
      assert.deepEqual(await traces(), [], name);
    }
  });
});

async function end(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}
