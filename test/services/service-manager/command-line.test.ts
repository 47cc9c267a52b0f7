import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { EXIT } from "#services/service-manager/terminal/exit-code.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runProgram } from "#test/support/program.ts";
import { type Ran, runSlice } from "./run-slice.ts";

/** Runs a command line that talks to nobody. */
function run(home: string, ...argv: string[]): Promise<Ran> {
  return runSlice(argv, { env: { SLICELAB_HOME: home } });
}

test("a stranger is told what there is, and what the exit codes mean", async () => {
  const { code, out } = await run("/nowhere", "--help");
  assert.equal(code, 0);
  for (const word of [
    "create",
    "plan",
    "list",
    "status",
    "exec",
    "renew",
    "delete",
    "key",
    "node",
    "ticket",
  ]) {
    assert.match(out, new RegExp(`^  ${word}\\b`, "m"));
  }
  assert.match(out, /Exit codes: 0 ok, 1 error, 2 usage, 3 partial/);
  assert.equal((await run("/nowhere", "create", "--help")).code, 0);
});

const MISUSES: readonly (readonly string[])[] = [
  [],
  ["frobnicate"],
  ["create"],
  ["create", "a", "b"],
  ["create", "hello", "--nodes", "0"],
  ["create", "hello", "--nodes", "3,"],
  ["create", "hello", "--nodes", "abc"],
  ["create", "hello", "--nodes", "zzzzzzzz"],
  ["create", "hello", "--lease", "soon"],
  ["create", "hello", "--cpu", "-1"],
  ["create", "hello", "--memory", "12parsecs"],
  ["create", "hello", "--engine", "warp"],
  ["create", "hello", "--where", "region"],
  ["create", "hello", "--frobnicate"],
  ["create", "no-such-file.xml"],
  ["create", "9lives"],
  ["create", "../up"],
  ["create", "root"],
  ["list", "-o", "xml"],
  ["list", "--deadline", "never"],
  ["exec", "hello"],
  ["key", "add", "hello"],
  ["renew"],
];

for (const argv of MISUSES) {
  test(`"slice ${argv.join(" ")}" is a misuse: exit code 2, nothing on standard output`, async () => {
    await using home = await temporaryDirectory();
    const { code, out, err } = await run(home.path, ...argv);
    assert.equal(code, 2, err);
    assert.equal(out, "");
    assert.notEqual(err, "");
  });
}

test("an option meant for the command in slivers is refused with where it goes", async () => {
  for (const command of ["exec", "launch", "ssh"]) {
    const { code, err } = await run("/nowhere", command, "web", "uptime", "-p9");
    assert.equal(code, 2);
    assert.match(err, new RegExp(`unknown option '-p9?'[^]*after --, as in: slice ${command} web -- `));
  }
  assert.doesNotMatch((await run("/nowhere", "list", "--odd")).err, /after --/);
});

test("what does not exist is exit code 5, whatever is asked of it", async () => {
  await using home = await temporaryDirectory();
  for (const argv of [
    ["status", "hello"],
    ["renew", "hello"],
    ["delete", "hello"],
    ["exec", "hello", "--", "true"],
    ["key", "list", "hello"],
  ]) {
    const { code, err } = await run(home.path, ...argv);
    assert.equal(code, 5, err);
    assert.match(err, /NO_SLICE.*does not exist/);
  }
});

test("a home without configuration says what to write there", async () => {
  await using home = await temporaryDirectory();
  const { code, err } = await run(home.path, "create", "hello");
  assert.equal(code, 1);
  assert.match(err, /there is no .*config\.toml; slice join makes one.* or write one[\s\S]*\[\[agents\]\]/);
});

test("a private key that others can read is refused", async () => {
  await using home = await temporaryDirectory();
  const config =
    'authority = "ca.pem"\nkey = "me.key"\ncertificate = "me.crt"\n[[agents]]\nurl = "https://127.0.0.1:1/RPC2"\n';
  await writeFile(join(home.path, "config.toml"), config);
  await writeFile(join(home.path, "me.key"), "secret");
  await chmod(join(home.path, "me.key"), 0o644);
  const { code, err } = await run(home.path, "node", "list");
  assert.equal(code, 1);
  assert.match(err, /me\.key is open to others/);
});

test("a mistake in the configuration is named", async () => {
  await using home = await temporaryDirectory();
  await writeFile(join(home.path, "config.toml"), 'authority = "ca.pem"\nagent = "x"\n');
  const { code, err } = await run(home.path, "node", "list");
  assert.equal(code, 1);
  assert.match(err, /agent/);
});

test("data goes to standard output and nothing else does, in every format", async () => {
  await using home = await temporaryDirectory();
  await mkdir(join(home.path, "slices"), { mode: 0o700 });
  assert.deepEqual(await run(home.path, "list", "-o", "json"), { code: 0, out: "[]\n", err: "" });
  assert.deepEqual(await run(home.path, "list", "-o", "yaml"), { code: 0, out: "[]\n", err: "" });
  assert.deepEqual(await run(home.path, "list", "-o", "name"), { code: 0, out: "", err: "" });
  assert.match((await run(home.path, "list")).out, /^SLICE +PHASE/);
  assert.match((await run(home.path, "list", "-o", "wide")).out, /DIRECTORY$/m);
});

test("the installed command runs from anywhere, and says so when it is asked for what is not there", async () => {
  await using home = await temporaryDirectory();
  const slice = new URL("../../../bin/slice", import.meta.url).pathname;
  const ran = await runProgram(slice, ["status", "hello"], { cwd: "/", env: { SLICELAB_HOME: home.path } });
  assert.equal(ran.code, 5, ran.err);
  assert.equal(ran.out, "");
});

test("help is prose as wide as the terminal, whose examples keep their lines", async () => {
  await using directory = await temporaryDirectory();
  const { code, out } = await run(directory.path, "scp", "--help");
  assert.equal(code, EXIT.ok);
  assert.match(
    out,
    /\n {2}slice scp web :results\.csv results {4}\S.* results\/ADDRESS\/\n {2}slice scp web --node/,
  );
  const exec = await run(directory.path, "exec", "--help");
  assert.match(exec.out, /with their node before them; with -o/);
});
