import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Backend } from "#services/node-manager/backends/backend.ts";
import { openBackend } from "#services/node-manager/backends/open.ts";
import { type Outcome, run, someNode, somePlan } from "#test/contract/backend.ts";
import { type ContainerBench, containerBench, engineProbe } from "./container-bench.ts";

const probe = await engineProbe();

describe("a Debian sliver", { skip: !probe.ok && probe.reason }, () => {
  let bench: ContainerBench;
  let backend: Backend;
  const plan = somePlan();
  before(async () => {
    bench = await containerBench();
    // The machine's own images, so that this image is built once on it and not once a test run.
    const options = { node: someNode(), stateDirectory: bench.stateDirectory, now: () => 1_900_000_000 };
    backend = await openBackend("container", options);
    await backend.ensure(plan);
  });
  after(async () => {
    await backend.remove(plan.id);
    await bench[Symbol.asyncDispose]();
  });

  const sh = (script: string): Promise<Outcome> => run(backend, plan.id, { argv: ["sh", "-c", script] });

  test("is Debian 12", async () => {
    assert.equal(backend.statement.defaultImage, "debian-12");
    assert.match((await sh("cat /etc/debian_version")).stdout, /^12\./);
  });

  test("sees only its own processes with ps", async () => {
    const { stdout } = await sh("ps -e -o args=");
    assert.deepEqual(stdout.trim().split("\n"), ["/dev/init -P", "sh -c ps -e -o args=", "ps -e -o args="]);
  });

  test("can ping without the capability to make raw sockets", async () => {
    assert.equal((await sh("ping -c 1 -W 2 127.0.0.1")).code, 0);
    assert.match((await sh("grep CapBnd /proc/self/status")).stdout, /CapBnd:\t00000000208c05fb\n/);
  });

  test("lets its root change users and install packages' files", async () => {
    assert.equal((await sh("su nobody -s /bin/sh -c 'id -un'")).stdout, "nobody\n");
    const package_ =
      "useradd -m peer && touch /opt/x && chown peer:peer /opt/x && chmod 4755 /opt/x && stat -c %U /opt/x";
    assert.equal((await sh(package_)).stdout, "peer\n");
  });

  test("lets its root look into its other users' programs and slow them down, never speed them up", async () => {
    await sh("su nobody -s /bin/sh -c '(sleep 200 &) >/dev/null 2>&1'");
    const script = (deed: string) => `pid=$(pgrep -x sleep); ${deed}`;
    assert.equal((await sh(script("readlink /proc/$pid/exe"))).stdout, "/usr/bin/sleep\n");
    assert.equal((await sh(script("renice -n 5 -p $pid"))).code, 0);
    assert.match((await sh(script("renice -n 1 -p $pid; pkill -x sleep"))).stderr, /Permission denied/);
  });

  test("opens sockets of the network, of its own and no others, however their family is written", async () => {
    const outcome = (family: string) =>
      sh(
        `perl -e 'print syscall(${process.arch === "x64" ? 41 : 198}, ${family}, 1, 0) < 0 ? "$!\n" : "opened\n"'`,
      );
    for (const family of ["1", "2", "10"]) assert.equal((await outcome(family)).stdout, "opened\n");
    for (const family of ["15", "38", "40", "0x100000028", "0x10000000f"]) {
      assert.equal((await outcome(family)).stdout, "Address family not supported by protocol\n", family);
    }
  });

  test("gives other users no more than root has", async () => {
    assert.match((await sh("su nobody -s /bin/sh -c 'cat /etc/shadow' 2>&1")).stdout, /Permission denied/);
  });
});
