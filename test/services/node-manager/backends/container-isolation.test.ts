import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Backend, Command, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { openFilesLimit } from "#services/node-manager/backends/machine/process.ts";
import { type Outcome, run, someNode, somePlan } from "#test/contract/backend.ts";
import { type ContainerBench, containerBench, engineProbe, eventually, upperOf } from "./container-bench.ts";

const probe = await engineProbe();
const NODE = someNode();

describe("root in a container sliver", { skip: !probe.ok && probe.reason }, () => {
  let bench: ContainerBench;
  let backend: Backend;
  let mine: SliverPlan;
  let neighbour: SliverPlan;
  before(async () => {
    bench = await containerBench();
    backend = await bench.open(NODE);
    const resources = { cpuMillis: 100, memoryMib: 32, diskMib: 64, egressKbps: 0 };
    mine = somePlan({ slice: "princeton_dns", resources, ceilings: { cpuMillis: 200 } });
    neighbour = somePlan({ slice: "oceanstore", resources });
    await Promise.all([backend.ensure(mine), backend.ensure(neighbour)]);
  });
  after(() => bench[Symbol.asyncDispose]());

  function sh(script: string, plan: SliverPlan = mine): Promise<Outcome> {
    return run(backend, plan.id, { argv: ["sh", "-c", script] });
  }

  test("has the slice's name and a login's environment, nothing of the node manager's", async () => {
    assert.equal((await sh("hostname; cat /etc/hostname")).stdout, "princeton_dns\nprinceton_dns\n");
    const { stdout } = await run(backend, mine.id, { argv: ["env"] });
    assert.deepEqual(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split("=")[0])
        .sort(),
      ["HOME", "LANG", "PATH"],
    );
  });

  test("sees only its own processes", async () => {
    await sh("(sleep 4321 &) >/dev/null 2>&1", neighbour);
    const { stdout } = await sh("ps -o pid,args");
    const programs = stdout
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/)[1]);
    assert.deepEqual(
      programs.filter((name) => !["/dev/init", "sh", "ps", "{ps}"].includes(name ?? "")),
      [],
    );
    assert.ok(!stdout.includes("4321"));
    assert.ok((await sh("ps -o args", neighbour)).stdout.includes("sleep 4321"));
  });

  test("shares no namespace with the machine or its neighbour", async () => {
    const kinds = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    const script = kinds.map((kind) => `readlink /proc/self/ns/${kind}`).join("; ");
    const own = await Promise.all(kinds.map((kind) => readlink(`/proc/self/ns/${kind}`)));
    const all = [
      own.join("\n"),
      (await sh(script)).stdout.trim(),
      (await sh(script, neighbour)).stdout.trim(),
    ];
    assert.equal(new Set(all.join("\n").split("\n")).size, 3 * kinds.length);
  });

  test("has no open file of the machine", async () => {
    const { stdout } = await sh("ls -l /proc/1/fd /proc/self/fd | sed -n 's/.* -> //p' | grep -v '^pipe:'");
    const known = ["/dev/null", "anon_inode:[signalfd]"];
    assert.deepEqual(
      stdout
        .trim()
        .split("\n")
        .filter((file) => !known.includes(file) && file !== ""),
      [],
    );
  });

  test("sees only its own disk", async () => {
    await sh("echo secret > /root/secret", neighbour);
    assert.equal((await sh("cat /root/secret")).code, 1);
    assert.equal((await sh("find / -name secret -not -path '/proc/*'")).stdout, "");
    assert.equal((await sh("ls /work /var/lib/slicelab/images")).stdout, "");
    const seen = (await sh("cut -d' ' -f2 /proc/mounts | grep -Ev '^(/|/proc|/dev|/sys)(/|$)'")).stdout;
    assert.equal(seen, "");
  });

  const REFUSED: Record<string, string> = {
    "mount a file system": "mount -t tmpfs none /mnt || mkdir -p /mnt && mount -t tmpfs none /mnt",
    "bind a directory elsewhere": "mkdir -p /mnt; mount -o bind /root /mnt",
    "mount the machine's processes": "mkdir -p /mnt; mount -t proc proc /mnt",
    "unmount what hides the machine's files": "umount /proc/kcore",
    "make /proc/sys writable": "mount -o remount,rw /proc/sys",
    "become all-powerful in a user namespace": "unshare -U true",
    "mount as root of a user namespace": "unshare -U -m mount -t tmpfs none /mnt",
    "make namespaces of its own": "unshare -m true",
    "enter another namespace": "nsenter -t 1 -m true",
    "load a module": "head -c 100 /dev/zero > /tmp/m.ko; insmod /tmp/m.ko",
    "make a device": "mknod /tmp/sda b 8 0",
    "make a character device": "mknod /tmp/kmsg c 1 11",
    "set the clock": "! date -s 2001-01-01 | grep 2001", // busybox's date says so and ends with 0
    "read the kernel's log": "dmesg",
    "change a switch of the kernel": "echo 1 > /proc/sys/kernel/panic",
    "change the machine's name": "hostname other",
    "bring its network down": "ip link set lo down",
    "make raw sockets": "arping -c 1 -w 1 -I lo 127.0.0.1",
    "change its root for good": "pivot_root / /tmp",
    "raise its own priority": "renice -n -5 -p $$",
    "replace its first program": "echo > /dev/init",
    "write to the machine's devices": "echo > /sys/kernel/uevent_seqnum",
  };
  for (const [deed, script] of Object.entries(REFUSED)) {
    test(`cannot ${deed}`, async () => {
      const { code, stderr } = await sh(script);
      assert.notEqual(code, 0);
      assert.match(stderr, /not permitted|permission denied|read-only|can't open|you must be root/i);
      assert.doesNotMatch(stderr, /not found|applet/);
    });
  }

  test("has no device of the machine", async () => {
    const { stdout } = await sh("find /dev -type b; find /dev -type c");
    const harmless = ["console", "full", "null", "ptmx", "random", "tty", "urandom", "zero"];
    const devices = stdout
      .trim()
      .split("\n")
      .map((path) => path.replace("/dev/", ""));
    assert.deepEqual(
      devices.filter((name) => !harmless.includes(name) && !name.startsWith("pts/")),
      [],
    );
  });

  test("cannot use a device node that somebody else put onto its disk", async () => {
    execFileSync("mknod", [join(await upperOf(bench, NODE, mine.id), "kmsg"), "c", "1", "11"]);
    const { code, stderr } = await sh("head -c 1 /kmsg");
    assert.equal(code, 1);
    assert.match(stderr, /not permitted|permission denied/i);
  });

  test("has all of its orphans reaped", async () => {
    await sh("for i in 1 2 3 4 5; do (sleep 0 &) ; done");
    await eventually("no zombies", async () => !(await sh("ps -o stat")).stdout.includes("Z"));
  });

  test("is ended at its own memory limit, and neither its sliver nor its neighbour's program is", async () => {
    const program = await backend.exec(neighbour.id, { argv: ["cat"] });
    assert.equal((await sh("head -c 64m /dev/zero | tail")).code, 137);
    assert.equal((await sh("echo alive")).stdout, "alive\n");
    program.stderr.resume();
    program.stdout.resume();
    program.stdin.end();
    assert.equal((await program.exit).code, 0);
  });

  test("cannot start more processes than its limit, and its neighbour can go on", async () => {
    const bomber = somePlan({ resources: { ...mine.resources, memoryMib: 256 } });
    await backend.ensure(bomber);
    const script = "for i in $(seq 600); do sleep 1000 & done; sleep 1000";
    const bomb = await backend.exec(bomber.id, { argv: ["sh", "-c", script] });
    const complaints: string[] = [];
    bomb.stdout.resume();
    bomb.stderr.on("data", (chunk) => complaints.push(String(chunk)));
    await eventually("the shell can't fork", async () => /can't fork/.test(complaints.join("")));
    const { processes } = await backend.usage(bomber.id);
    assert.ok(processes > 500 && processes <= 512, `${processes} processes`);
    assert.equal((await sh("echo alive", neighbour)).stdout, "alive\n");
    bomb.kill("SIGKILL");
    await bomb.exit;
    await eventually("the bomb is gone", async () => (await backend.usage(bomber.id)).processes === 1);
  });

  test("gets no more processor than its ceiling", async () => {
    const before = (await backend.usage(mine.id)).cpuMicroseconds;
    const began = performance.now();
    await sh("timeout -s KILL 1 sh -c 'while :; do :; done'");
    const used = (await backend.usage(mine.id)).cpuMicroseconds - before;
    // 200 of 1000, and what starting the commands took before the quota bit
    assert.ok(used < (performance.now() - began) * 1000 * 0.4, `used ${used} µs`);
  });

  test("has limits the kernel was told", async () => {
    const { stdout } = await sh("cat /proc/self/limits /proc/self/oom_score_adj");
    const openFiles = Math.min(65536, await openFilesLimit());
    assert.match(stdout, new RegExp(`Max open files +${openFiles} +${openFiles} `));
    assert.match(stdout, /\n300\n$/);
  });
});

describe("two container slivers on one node", { skip: !probe.ok && probe.reason }, () => {
  test("share one image on disk, and what one writes the other does not see", async () => {
    await using bench = await containerBench();
    const backend = await bench.open(NODE);
    const plans = [somePlan(), somePlan()] as const;
    for (const plan of plans) await backend.ensure(plan);
    const bytes = (directory: string) =>
      Number(execFileSync("du", ["-sbx", directory]).toString().split("\t")[0]);
    const image = bytes(join(bench.imagesDirectory, "busybox"));
    assert.ok(image > 1_500_000);
    for (const { id } of plans) assert.ok(bytes(await upperOf(bench, NODE, id)) < 100_000);

    const inode = (id: string) => run(backend, id, { argv: ["stat", "-c", "%i", "/bin/busybox"] });
    assert.equal((await inode(plans[0].id)).stdout, (await inode(plans[1].id)).stdout);

    await run(backend, plans[0].id, { argv: ["sh", "-c", "echo changed > /etc/passwd; rm /bin/vi"] });
    assert.match((await run(backend, plans[1].id, { argv: ["cat", "/etc/passwd"] })).stdout, /^root:/);
    assert.match(await readFile(join(bench.imagesDirectory, "busybox/root/etc/passwd"), "utf8"), /^root:/);
  });
});

describe("a command in a container sliver", { skip: !probe.ok && probe.reason }, () => {
  let bench: ContainerBench;
  let backend: Backend;
  const plan = somePlan();
  before(async () => {
    bench = await containerBench();
    backend = await bench.open(NODE);
    await backend.ensure(plan);
  });
  after(() => bench[Symbol.asyncDispose]());

  test("that does not exist ends with 127 and says so; one that ends with 255 ends with 255", async () => {
    const missing = await run(backend, plan.id, { argv: ["no-such-command"] });
    assert.equal(missing.code, 127);
    assert.match(missing.stderr, /no-such-command/);
    assert.equal((await run(backend, plan.id, { argv: ["sh", "-c", "exit 255"] })).code, 255);
    assert.equal((await run(backend, plan.id, { argv: ["sh", "-c", "kill -9 $$"] })).code, 137);
  });

  test("is killed with everything it started in its group", async () => {
    const running = await backend.exec(plan.id, {
      argv: ["sh", "-c", "echo up; sleep 777 & sleep 777 & wait"],
    });
    running.stderr.resume();
    await new Promise((resolve) => running.stdout.once("data", resolve));
    running.stdout.resume();
    running.kill();
    assert.equal((await running.exit).code, 143);
    const { stdout } = await run(backend, plan.id, { argv: ["ps", "-o", "args"] });
    assert.ok(!stdout.includes("sleep 777"), stdout);
  });

  test("may write much to both of its outputs before anybody reads them", async () => {
    const script = "head -c 3000000 /dev/zero & head -c 3000000 /dev/zero >&2; wait";
    const { stdout, stderr } = await run(backend, plan.id, { argv: ["sh", "-c", script] });
    assert.deepEqual([stdout.length, stderr.length], [3_000_000, 3_000_000]);
  });

  test("loses no output however late it is read", async () => {
    const running = await backend.exec(plan.id, { argv: ["echo", "hello"] });
    await eventually(
      "it ended",
      async () => !(await run(backend, plan.id, { argv: ["ps"] })).stdout.includes("echo"),
    );
    running.stderr.resume();
    const chunks = await running.stdout.toArray();
    assert.equal(Buffer.concat(chunks).toString(), "hello\n");
    assert.equal((await running.exit).code, 0);
  });

  test("leaves no file behind on the node", async () => {
    await run(backend, plan.id, { argv: ["true"] });
    assert.deepEqual(await readdir(join(bench.stateDirectory, NODE, "slivers", plan.id, "commands")), []);
  });

  test("is refused with a variable or text no program could take", async () => {
    const bad: Command[] = [
      { argv: ["echo", "a\0b"] },
      { argv: ["env"], env: { "A=B": "c" } },
      { argv: ["env"], env: { A: "x\0y" } },
      { argv: ["pwd"], workingDirectory: "tmp" },
    ];
    for (const command of bad) {
      await assert.rejects(backend.exec(plan.id, command), { name: "MALFORMED" });
    }
  });

  test("is refused for names that are no ids, which never become paths", async () => {
    await writeFile(join(bench.stateDirectory, "precious"), "kept");
    for (const id of ["..", "../../precious", "", "a/b", "c0ffee\n", "C0FFEE1100000000"]) {
      await assert.rejects(backend.exec(id, { argv: ["true"] }), { name: "MALFORMED" });
      await assert.rejects(backend.remove(id), { name: "MALFORMED" });
      await assert.rejects(backend.stop(id), { name: "MALFORMED" });
      await assert.rejects(backend.usage(id), { name: "MALFORMED" });
      await assert.rejects(backend.ensure(somePlan({ id })), { name: "MALFORMED" });
    }
    assert.equal(await readFile(join(bench.stateDirectory, "precious"), "utf8"), "kept");
  });
});
