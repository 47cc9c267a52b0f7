import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Backend } from "#services/node-manager/backends/backend.ts";
import { tarOf } from "#services/service-manager/programs/tar.ts";
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

  test("start again when they fail, ever more slowly, until they succeed", async () => {
    const script = "echo x >>/root/starts; [ $(wc -l </root/starts) -ge 3 ]";
    await put("flaky", "one", script, "on-failure");
    await eventually(async () => (await fact("flaky"))?.state === "ended");
    assert.deepEqual(await fact("flaky"), { state: "ended", pid: Number.NaN, starts: 3, exit: "0" });
    assert.match(await put("flaky", "one", script, "on-failure"), /ended 0/);
    assert.equal((await fact("flaky"))?.starts, 3);
    await told("stop flaky");
  });

  test("are replaced by what is put there instead, and leave nothing running", async () => {
    const stubborn = "trap '' TERM; (setsid sleep 1002 &) ; sleep 1003 & while :; do sleep 1004; done";
    await put("main", "two", stubborn);
    await eventually(async () => (await processes("sleep 1002")) + (await processes("sleep 1004")) === 2);
    assert.equal(await processes("sleep 1001"), 0);
    assert.match(await put("main", "three", "echo third; exec sleep 1005"), /replaced/);
    assert.equal(await processes("sleep 100[234]"), 0);
    await eventually(async () => (await told("log main 1 end")).endsWith("third\n"));
    assert.equal((await fact("main"))?.starts, 1);
  });

  test("stay as they are when what is put there instead does not arrive whole", async () => {
    const whole = archive("exec sleep 1006", "always", { data: "x".repeat(100_000) });
    const argv = ["/bin/sh", "/usr/lib/slicelab/program", "put", "main", "four", "replace"];
    const { code, stderr } = await run(
      backend,
      plan.id,
      { argv, user: "login" },
      whole.subarray(0, 60_000) as never,
    );
    assert.equal(code, 1);
    assert.match(stderr, /did not arrive whole/);
    assert.equal((await fact("main"))?.state, "running");
    assert.equal(await processes("sleep 1005"), 1);
  });

  test("start once when they are put there five times at the same moment", async () => {
    const script = "echo began; exec sleep 1007";
    const answers = await Promise.all(Array.from({ length: 5 }, () => put("rush", "one", script)));
    assert.equal(answers.filter((answer) => answer.includes("started")).length, 1, answers.join(""));
    assert.equal(await processes("sleep 1007"), 1);
    await told("stop rush");
    assert.equal(await processes("sleep 1007"), 0);
  });

  test("have a log of bounded size, of which the last lines are there, however fast they write", async () => {
    await put("loud", "one", "yes 0123456789 | head -c 50000000; echo; echo last", "never");
    await eventually(async () => (await fact("loud"))?.state === "ended");
    await eventually(async () => (await told("log loud 1 end")).endsWith("\nlast\n"));
    const argv = ["/bin/sh", "-c", "cat /var/lib/slicelab/programs/loud/log.* | wc -c"];
    const bytes = Number((await run(backend, plan.id, { argv })).stdout);
    assert.ok(bytes > 1_000_000 && bytes <= 8 * 1024 * 1024, `${bytes} bytes`);
    const all = await told("log loud 1000000 end");
    const [place = ""] = all.split("\n", 1);
    const [, segment, offset] = place.split(" ");
    const from = Number(offset) + 5_000;
    const rest = await told(`log loud 0 end ${segment} ${from}`);
    assert.equal(rest.split("\n").slice(1).join("\n"), all.slice(place.length + 1 + 5_000));
    await told("stop loud");
  });

  test("that are never to be started again are not, also not with their sliver", async () => {
    await put("single", "one", "exec sleep 1008", "never");
    await backend.stop(plan.id);
    await backend.ensure(plan);
    await eventually(async () => (await processes("sleep 1005")) === 1);
    await eventually(async () => (await fact("single"))?.state === "ended");
    assert.equal((await fact("single"))?.exit, "137");
    assert.equal(await processes("sleep 1008"), 0);
    await told("stop single");
  });

  test("of an image run as the image's user, by its number", async () => {
    const script = `
      cd /var/lib/slicelab/programs && mkdir image && cd image
      echo 'exec sleep 1009' >run; echo 65534:65534 >user; echo / >home; echo any >digest`;
    await run(backend, plan.id, { argv: ["/bin/sh", "-c", script] });
    await backend.stop(plan.id);
    await backend.ensure(plan);
    await eventually(async () => (await fact("image"))?.state === "running");
    const status = `/proc/${(await fact("image"))?.pid}/status`;
    const { stdout } = await run(backend, plan.id, { argv: ["grep", "-E", "^[UG]id|^CapEff", status] });
    assert.equal(
      stdout,
      `Uid:${"\t65534".repeat(4)}\nGid:${"\t65534".repeat(4)}\nCapEff:\t0000000000000000\n`,
    );
    assert.equal(await told("stop image"), "slicelab-program stopped\n");
    assert.equal(await processes("sleep 1009"), 0);
  });

  test("leave a sliver with its first process alone when none is there", async () => {
    await told("stop main");
    await backend.stop(plan.id);
    await backend.ensure(plan);
    assert.equal((await backend.usage(plan.id)).processes, 1);
    const argv = ["/bin/sh", "/usr/lib/slicelab/program", "stop", "main"];
    const { code, stderr } = await run(backend, plan.id, { argv });
    assert.deepEqual([code, stderr], [66, "slicelab: no program main is kept in this sliver\n"]);
  });
});
