import assert from "node:assert/strict";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, before, describe, test } from "node:test";
import { Interrupted } from "#services/service-manager/terminal/exit-code.ts";
import { eventually } from "#test/support/deadline.ts";
import { leasesAtNodes } from "../exactness.ts";
import { type SliceLab, sliceLab } from "../slice-lab.ts";

type Program = { ip: string; program: string; state: string; restarts: number; last_exit: number | null };

describe("slice launch", () => {
  let lab: SliceLab;
  let homes: string[];
  before(async () => {
    lab = await sliceLab({ nodes: 2 });
    assert.equal((await lab.slice("create", "web", "--nodes", "2")).code, 0);
    const leases = (await leasesAtNodes(lab, "web")).sort((a, b) => (a.ip < b.ip ? -1 : 1));
    homes = leases.map(({ ip, sliver }) => lab.nodes.find((node) => node.ip === ip)!.backend.homeOf(sliver));
  });
  after(() => lab[Symbol.asyncDispose]());

  async function results(...argv: string[]): Promise<string[]> {
    const { code, out, err } = await lab.slice("launch", "web", "-o", "json", ...argv);
    assert.equal(code, 0, err);
    return JSON.parse(out).map((row: { result: string }) => row.result);
  }

  async function programs(): Promise<Program[]> {
    return JSON.parse((await lab.slice("ps", "web", "-o", "json")).out);
  }

  const linesOf = async (path: string) => (await readFile(path, "utf8")).trim().split("\n");

  test("puts files there and starts the command as it is, once for the same launch, anew for another", async () => {
    const file = join(lab.files, "run.sh");
    await writeFile(file, '#!/bin/sh\necho "$ROLE $*" >>starts\nexec sleep 600\n');
    await chmod(file, 0o750);
    const words = ["--file", `${file}:bin/`, "--env", "ROLE=a 'b'", "--", "./bin/run.sh", "$x", "y z"];
    assert.deepEqual(await results(...words), ["started", "started"]);
    for (const home of homes) {
      await eventually(async () => (await linesOf(join(home, "starts"))).join() === "a 'b' $x y z");
      assert.equal((await stat(join(home, "bin/run.sh"))).mode & 0o777, 0o750);
    }
    assert.deepEqual(await results(...words), ["running", "running"]);
    assert.deepEqual(await results(...words, "more"), ["replaced", "replaced"]);
    await eventually(async () => (await linesOf(join(homes[0]!, "starts"))).length === 2);
  });

  test("takes one word for a line of the shell, and nodes by their addresses", async () => {
    const ran = await lab.slice(
      ..."launch web 127.0.7.2 --name probe --restart never --".split(" "),
      "echo out; echo err >&2; exit 7",
    );
    assert.equal(ran.code, 0, ran.err);
    assert.match(ran.out, /^NODE +IP +PROGRAM +RESULT\n\w+ +127\.0\.7\.2 +probe +started\n$/);
    await eventually(async () => (await programs()).some(({ state }) => state === "ended"));
    const all = await programs();
    assert.deepEqual(
      all.map(({ ip, program, state, restarts, last_exit }) => [ip, program, state, restarts, last_exit]),
      [
        ["127.0.7.1", "main", "running", 0, null],
        ["127.0.7.2", "main", "running", 0, null],
        ["127.0.7.2", "probe", "ended", 0, 7],
      ],
    );
    await eventually(
      async () => (await lab.slice("logs", "web", "127.0.7.2", "--name", "probe")).out === "out\nerr\n",
    );
    const missing = await lab.slice("logs", "web", "127.0.7.1", "--name", "probe");
    assert.equal(missing.code, 5);
    assert.match(
      missing.err,
      /127\.0\.7\.1: no program probe is kept in this sliver; slice ps shows those that are/,
    );
    assert.equal(
      (await lab.slice("stop", "web", "--name", "probe")).err,
      "slice: stopped probe in 1 of 2 slivers\n",
    );
    const again = await lab.slice("stop", "web", "--name", "probe");
    assert.equal(again.code, 5);
    assert.match(again.err, /no sliver of web keeps a program probe/);
  });

  test("keeps what it launched when the slice is created again", async () => {
    assert.equal((await lab.slice("create", "web")).code, 0);
    assert.equal((await programs()).length, 2);
  });

  const REFUSALS: [string, RegExp, number, ...string[]][] = [
    ["a slice that is not there", /slice nowhere does not exist here/, 5, "launch", "nowhere", "--", "true"],
    ["no command", /say what is to run after --/, 2, "launch", "web"],
    [
      "a node that is none of the slice's",
      /no sliver on "10\.9\.9\.9"; .*a command comes after --/,
      2,
      "launch",
      "web",
      "10.9.9.9",
      "--",
      "true",
    ],
    ["a bad name", /"A\/b" is no program's name/, 2, "launch", "web", "--name", "A/b", "--", "true"],
    ["a bad variable", /"1X=2": write NAME=VALUE/, 2, "launch", "web", "--env", "1X=2", "--", "true"],
    [
      "a missing file",
      /none\.sh cannot be read \(there is no such file\)/,
      2,
      "launch",
      "web",
      "--file",
      "none.sh",
      "--",
      "true",
    ],
    [
      "a directory",
      /it is a directory\); copy it with slice scp -r/,
      2,
      "launch",
      "web",
      "--file",
      "/etc:x",
      "--",
      "true",
    ],
    ["an empty command", /say what is to run after --/, 2, "launch", "web", "--", " "],
    ["a way out of the home", /no path inside a home/, 2, "launch", "web", "--file", "a:../b", "--", "true"],
    ["a policy there is not", /Allowed choices/, 2, "launch", "web", "--restart", "often", "--", "true"],
    ["lines that are no number", /no number of lines/, 2, "logs", "web", "-n", "many"],
  ];
  test("refuses what makes no sense, in a sentence, and changes nothing", async () => {
    const before = await programs();
    for (const [what, sentence, code, ...argv] of REFUSALS) {
      const ran = await lab.slice(...argv);
      assert.match(ran.err, sentence, what);
      assert.equal(ran.code, code, what);
    }
    assert.deepEqual(await programs(), before);
  });

  test("is followed over its own restarts and its node's, without losing or repeating a line", async () => {
    const script =
      "n=$(cat n 2>/dev/null || echo 0); while :; do n=$((n+1)); echo $n >n; echo line $n; sleep 0.02; [ $((n % 50)) -gt 0 ] || exit 1; done";
    assert.deepEqual(await results("127.0.7.1", "--name", "count", "--", script), ["started"]);
    const reached = (count: number) =>
      eventually(async () => Number(await readFile(join(homes[0]!, "n"), "utf8")) >= count);
    const ending = new AbortController();
    const following = lab.sliceWith(
      { signal: ending.signal },
      ..."logs web 127.0.7.1 --name count -f".split(" "),
    );
    await reached(20);
    await lab.nodes[0]!.stop();
    await reached(40);
    await lab.nodes[0]!.start();
    await reached(130);
    await eventually(
      async () => (await lab.slice("logs", "web", "127.0.7.1", "--name", "count", "-n", "1")).code === 0,
    );
    ending.abort(new Interrupted());
    const { code, out, err } = await following;
    assert.equal(code, 130);
    assert.match(err, /^slice: .*; trying again\nslice: 127\.0\.7\.1 is back\n$/);
    const seen = out.trimEnd().split("\n");
    assert.ok(seen.length > 45, `${seen.length} lines`);
    assert.deepEqual(
      seen,
      seen.map((_, at) => `line ${at + 1}`),
    );
  });

  test("is not delayed by a node that hangs, which is told by its name", async () => {
    const [, hanging] = lab.nodes;
    const { exec } = hanging!.backend;
    hanging!.backend.exec = async () => {
      const nothing = new PassThrough();
      const exit = new Promise<never>(() => undefined);
      return {
        stdin: nothing,
        stdout: new PassThrough(),
        stderr: new PassThrough(),
        exit,
        kill: () => undefined,
      };
    };
    const launching = lab.slice(
      "launch",
      "web",
      "--name",
      "late",
      "--deadline",
      "12s",
      "--",
      "touch late; sleep 600",
    );
    await eventually(() => stat(join(homes[0]!, "late")), { withinMs: 11_500 });
    const { code, out, err } = await launching;
    hanging!.backend.exec = exec;
    assert.equal(code, 3);
    assert.match(out, /127\.0\.7\.1 +late +started\n.*127\.0\.7\.2 +late +TIMEOUT/);
    assert.match(err, /127\.0\.7\.2: TIMEOUT: .* took longer than 12000 ms/);
  });

  test("says what it lacks where an image has no shell, or a node nothing that keeps programs", async () => {
    const { backend } = lab.nodes[0]!;
    const { exec } = backend;
    const launch = async (answer: string) => {
      backend.exec = (id) => exec(id, { argv: ["sh", "-c", answer] });
      return await lab.slice("launch", "web", "127.0.7.1", "--name", "none", "--", "true");
    };
    const without = await launch("echo 'exec failed: no such file' >&2; exit 127");
    const old = await launch("echo 'nothing keeps programs in this sliver' >&2; exit 69");
    backend.exec = exec;
    assert.deepEqual([without.code, old.code], [1, 1]);
    assert.match(
      without.err,
      /127\.0\.7\.1: BACKEND_FAILED: .* its image has no shell to start programs with/,
    );
    assert.match(old.err, /could not do it: nothing keeps programs in this sliver/);
  });

  test("says clearly where nothing ran", async () => {
    const engines = lab.nodes.map(({ backend }) => backend);
    const execs = engines.map(({ exec }) => exec);
    for (const [at, engine] of engines.entries())
      engine.exec = (id) => execs[at]!(id, { argv: ["echo", "simulated sliver: nothing ran"] });
    const launched = await lab.slice("launch", "web", "--name", "air", "--", "true");
    const shown = await Promise.all([lab.slice("ps", "web"), lab.slice("logs", "web")]);
    for (const [at, engine] of engines.entries()) engine.exec = execs[at]!;
    assert.equal(launched.out.match(/nothing ran \(simulated\)/g)?.length, 2);
    assert.match(launched.err, /nothing ran in 2 slivers, which are only simulated/);
    for (const { err } of shown) assert.match(err, /nothing runs in 2 slivers, which are only simulated/);
  });
});
