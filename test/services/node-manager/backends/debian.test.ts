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
    assert.match((await sh("grep CapBnd /proc/self/status")).stdout, /CapBnd:\t00000000200405fb\n/);
  });

  test("lets its root change users and install packages' files", async () => {
    assert.equal((await sh("su nobody -s /bin/sh -c 'id -un'")).stdout, "nobody\n");
    const package_ =
      "useradd -m peer && touch /opt/x && chown peer:peer /opt/x && chmod 4755 /opt/x && stat -c %U /opt/x";
    assert.equal((await sh(package_)).stdout, "peer\n");
  });

  test("gives other users no more than root has", async () => {
    assert.match((await sh("su nobody -s /bin/sh -c 'cat /etc/shadow' 2>&1")).stdout, /Permission denied/);
  });
});
