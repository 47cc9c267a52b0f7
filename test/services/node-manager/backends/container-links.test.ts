import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Backend, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { fault, type Outcome, run, someNode, somePlan } from "#test/contract/backend.ts";
import { type ContainerBench, containerBench, engineProbe, upperOf } from "./container-bench.ts";

const probe = await engineProbe();

/** Every file and directory with what would betray that somebody was there; not when it was last read. */
function looksOf(directory: string): string {
  return execFileSync("find", [directory, "-printf", "%p %i %m %U:%G %s %n %T@ %C@ %l\\n"]).toString();
}

describe("links a hostile sliver lays on its own disk", { skip: !probe.ok && probe.reason }, () => {
  const node = someNode();
  const plan: SliverPlan = somePlan({ slice: "princeton_dns" });
  let bench: ContainerBench;
  let backend: Backend;
  /** A directory of the node with everything that a sliver could hope the node manager writes into. */
  let precious: string;
  let looks: string;
  let upper: string;
  before(async () => {
    bench = await containerBench();
    backend = await bench.open(node);
    await backend.ensure(plan);
    precious = join(bench.stateDirectory, "precious");
    for (const name of [
      "etc/sudoers.d",
      "home/princeton_dns",
      "princeton_dns",
      "root",
      "bin",
      "dev",
      "proc",
      "slicelab",
    ]) {
      await mkdir(join(precious, name), { recursive: true });
    }
    for (const name of ["passwd", "etc/passwd", "etc/hosts", "etc/resolv.conf", "princeton_dns/.profile"]) {
      await writeFile(join(precious, name), "the node's\n");
    }
    await writeFile(join(precious, "large"), Buffer.alloc(8 << 20));
    await chmod(precious, 0o777);
    looks = looksOf(precious);
    upper = await upperOf(bench, node, plan.id);
  });
  after(() => bench[Symbol.asyncDispose]());

  const sh = (script: string, user: "login" | "root" = "root"): Promise<Outcome> =>
    run(backend, plan.id, { argv: ["/bin/busybox", "sh", "-c", script], user, workingDirectory: "/" });
  const place = (...names: string[]) => join(bench.stateDirectory, node, "slivers", plan.id, ...names);

  /** Everything that a node manager does with a sliver that has a disk. */
  async function useIt(): Promise<void> {
    await backend.stop(plan.id);
    await backend.ensure(plan);
    await backend.usage(plan.id);
    await run(backend, plan.id, { argv: ["/bin/busybox", "true"], user: "login" }).catch(() => undefined);
    await run(backend, plan.id, { argv: ["/bin/busybox", "true"], workingDirectory: "/work/there" });
    await backend.connect!(plan.id, "localhost", 1).catch(() => undefined);
  }

  const TRICKS: Record<string, () => string> = {
    "to the machine's root, and to itself, in place of what the node gives it": () =>
      "rm -rf /etc /home; ln -s / /etc; ln -s /home /home",
    "to the node's files in place of its own directories": () =>
      `rm -rf /etc /home /root /var /tmp /run; ln -s ${precious}/etc /etc; ln -s ${precious} /home;
      for d in root var tmp run; do ln -s ${precious}/root /$d; done`,
    "to the node's files in place of each file the node gives it, and of its programs": () =>
      `rm -rf /etc /home /var; mkdir -p /etc /var/lib/slicelab; ln -s ${precious} /var/lib/slicelab/programs;
      for f in passwd group hosts hostname resolv.conf sudoers.d shadow; do ln -s ${precious}/etc/$f /etc/$f; done;
      ln -s ${upper} /home; ln -s ${place()} /work; ln -s ${place("root")} /there`,
    "that climb out of its disk": () =>
      "rm -rf /etc /home; ln -s ../../../../../../../../etc /etc; ln -s ../../../../../../../../../home /home",
    "and pipes, in place of what the node gives it": () =>
      "rm -rf /etc /home; mkdir /etc /home; for f in hostname hosts resolv.conf; do mkfifo /etc/$f; done",
  };
  for (const [trick, script] of Object.entries(TRICKS)) {
    test(`${trick} take the node manager nowhere`, async () => {
      const image = looksOf(join(bench.imagesDirectory, "busybox"));
      const machine = machineFiles();
      assert.equal((await sh(script())).code, 0);
      await useIt();
      assert.equal((await sh("echo alive")).stdout, "alive\n");
      assert.equal(looksOf(precious), looks);
      assert.equal(looksOf(join(bench.imagesDirectory, "busybox")), image);
      assert.equal(machineFiles(), machine);
    });
  }

  test("with a pipe where accounts are told keep the sliver from starting, at once and with a sentence", async () => {
    for (const file of ["passwd", "group"]) {
      await sh(`rm -rf /etc /pipe; mkdir /etc; mkfifo /pipe; ln -s ../pipe /etc/${file}`);
      await backend.stop(plan.id);
      const began = performance.now();
      await assert.rejects(backend.ensure(plan), fault("BACKEND_FAILED"));
      assert.ok(performance.now() - began < 28_000, "nobody waited for what is never written");
      await rm(join(upper, "pipe"));
      await backend.ensure(plan);
    }
  });

  test("are not counted as its disk", async () => {
    await sh(`for i in 1 2 3; do ln -s ${precious}/large /link$i; done`);
    const restarted = await bench.open(node);
    assert.ok((await restarted.usage(plan.id)).diskBytes < 4 << 20);
    backend = restarted;
  });

  test("do not lead its owners' files out of their disk when they are given away", async () => {
    await sh(`ln -s ${precious} /given; chown -R 1234:1234 /given/ /link1; chmod -R 777 /given/`);
    assert.equal(looksOf(precious), looks);
  });

  test("are deleted with it, and nothing that they lead to is", async () => {
    await backend.remove(plan.id);
    assert.equal(looksOf(precious), looks);
    assert.deepEqual(await backend.list(), []);
  });
});

/** Those of the machine's own that a slip of the node manager would hit first. */
function machineFiles(): string {
  return ["passwd", "group", "hosts", "hostname"].map((name) => looksOf(`/etc/${name}`)).join("");
}
