import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Backend } from "#services/node-manager/backends/backend.ts";
import { tarOf } from "#services/service-manager/tar.ts";
import { run, someNode, somePlan } from "#test/contract/backend.ts";
import { eventually } from "#test/support/deadline.ts";
import { type ContainerBench, containerBench, engineProbe } from "./container-bench.ts";

const probe = await engineProbe();

/** The archive of a program as `program put` reads it. */
function archive(script: string, restart = "always", files: Record<string, string> = {}): Buffer {
  const entries = {
    ...Object.fromEntries(Object.entries(files).map(([path, text]) => [`files/${path}`, text])),
    ...{ title: "a program\n", restart: `${restart}\n`, run: script },
  };
  return tarOf(
    Object.entries(entries).map(([path, text]) => ({ path, mode: 0o644, contents: Buffer.from(text) })),
    1_900_000_000,
  );
}

describe("programs in a container sliver", { skip: !probe.ok && probe.reason }, () => {
  const node = someNode();
  const plan = somePlan({ slice: "peers" });
  let bench: ContainerBench;
  let backend: Backend;
  before(async () => {
    bench = await containerBench();
    backend = await bench.open(node);
    await backend.ensure(plan);
  });
  after(() => bench[Symbol.asyncDispose]());

  async function told(verb: string, input: string | Buffer = ""): Promise<string> {
    const argv = ["/bin/sh", "-c", `exec /bin/sh /usr/lib/slicelab/program ${verb}`];
    const { code, stdout, stderr } = await run(backend, plan.id, { argv, user: "login" }, input as string);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  async function processes(marker: string): Promise<number> {
    const argv = ["/bin/sh", "-c", `ps -o args | grep -c '[${marker[0]}]${marker.slice(1)}'`];
    return Number((await run(backend, plan.id, { argv })).stdout);
  }

  const put = (name: string, digest: string, ...program: Parameters<typeof archive>) =>
    told(`put ${name} ${digest} replace`, archive(...program));

  /** What `ps` says of one program. */
  async function fact(name: string) {
    const line = (await told("ps")).split("\n").find((text) => text.startsWith(`slicelab-program ${name} `));
    const [, , state, pid, starts, exit] = line?.split(" ") ?? [];
    return line === undefined ? undefined : { state, pid: Number(pid), starts: Number(starts), exit };
  }

  test("start once, however often they are put there, and start again with their sliver", async () => {
    assert.match(await put("main", "one", "echo began; exec sleep 1001"), /started/);
    assert.match(await put("main", "one", "echo began; exec sleep 1001"), /running/);
    assert.equal(await processes("sleep 1001"), 1);
    await backend.stop(plan.id);
    await backend.ensure(plan);
    await eventually(async () => (await processes("sleep 1001")) === 1);
    assert.equal((await fact("main"))?.starts, 2);
    assert.equal(await told("log main 10 end"), "slicelab-program 1 0\nbegan\nbegan\n");
  });
});
