import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { runAuthority } from "#services/authority/commands.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { type ProgramResult, runProgram, runToSuccess } from "#test/support/program.ts";

const SLICELAB = fileURLToPath(new URL("../../../bin/slicelab", import.meta.url));

let directory: AsyncDisposable & { readonly path: string };

before(async () => {
  directory = await temporaryDirectory();
  process.env.SLICELAB_AUTHORITY = at("authority");
  await runToSuccess(SLICELAB, ["authority", "init", "--dir", at("authority"), "--name", "test authority"]);
});

after(() => directory[Symbol.asyncDispose]());

function at(...names: string[]): string {
  return join(directory.path, ...names);
}

function authority(...args: string[]): Promise<ProgramResult> {
  return runProgram(SLICELAB, ["authority", ...args]);
}

/** The same without a process of its own, for many calls that differ little. */
async function authorityHere(...args: string[]): Promise<ProgramResult> {
  const said = { out: "", err: "" };
  const code = await runAuthority(args, {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    now: new Date(),
  });
  return { code, ...said };
}

async function enrolled(name: string): Promise<string> {
  await runToSuccess(SLICELAB, ["authority", "request", "--name", name, "--out", at(name)]);
  return at(name, `${name}.csr`);
}

test("a researcher makes a key, the operator certifies it, and openssl believes it", async () => {
  const csr = await enrolled("alice");
  const issued = await authority(
    "issue",
    csr,
    "--name",
    "alice",
    "--kind",
    "client",
    "--out",
    at("alice", "alice.crt"),
  );
  assert.deepEqual([issued.code, issued.out], [0, `${at("alice", "alice.crt")}\n`]);
  assert.equal((await stat(at("alice", "alice.key"))).mode & 0o777, 0o600);
  assert.equal((await stat(at("alice"))).mode & 0o777, 0o700);
  const ca = at("authority", "ca.pem");
  await runToSuccess("openssl", [
    "verify",
    "-x509_strict",
    "-purpose",
    "sslclient",
    "-CAfile",
    ca,
    at("alice", "alice.crt"),
  ]);
});

test("the private key never leaves the place it was made in", async () => {
  const csr = await enrolled("carol");
  await authority("issue", csr, "--name", "carol", "--kind", "client", "--out", at("carol", "carol.crt"));
  const secret = (await readFile(at("carol", "carol.key"), "utf8")).split("\n")[1]!;
  for (const name of await readdir(at("authority"))) {
    assert.ok(!(await readFile(at("authority", name), "utf8")).includes(secret), name);
  }
  assert.deepEqual((await readdir(at("carol"))).toSorted(), ["carol.crt", "carol.csr", "carol.key"]);
});

test("a service's certificate carries every address given, and lasts as long as said", async () => {
  const csr = await enrolled("node-1");
  const out = at("node-1", "node-1.crt");
  const addresses = ["--address", "127.0.1.1", "--address", "node-1.example"];
  await authority(
    "issue",
    csr,
    "--name",
    "node-1",
    "--kind",
    "server",
    ...addresses,
    "--days",
    "7",
    "--out",
    out,
  );
  const shown = JSON.parse((await authority("show", out, "-o", "json")).out);
  assert.deepEqual(
    [shown.name, shown.kind, shown.addresses],
    ["node-1", "server", ["127.0.1.1", "node-1.example"]],
  );
  const length = Date.parse(shown.notAfter) - Date.parse(shown.notBefore);
  assert.equal(length, 7 * 86_400_000 + 5 * 60_000);
});

test("a certificate, its key and its request are shown as one key, with v0.5's name beside it", async () => {
  const csr = await enrolled("dave");
  await authority("issue", csr, "--name", "dave", "--kind", "client", "--out", at("dave", "dave.crt"));
  const pub = await runToSuccess("openssl", ["pkey", "-in", at("dave", "dave.key"), "-pubout"]);
  await writeFile(at("dave", "dave.pub"), pub);
  const names = new Set<string>();
  for (const suffix of ["crt", "key", "csr", "pub"]) {
    const shown = JSON.parse((await authorityHere("show", at("dave", `dave.${suffix}`), "-o", "json")).out);
    names.add(`${shown.sha256} ${shown.sha1}`);
  }
  assert.equal(names.size, 1);
  const sha1 = (await runToSuccess("openssl", ["sha1", "-r"], { input: pub })).slice(0, 40);
  assert.equal([...names][0]!.split(" ")[1], sha1);
  assert.match((await authority("show", at("dave", "dave.crt"))).out, /^sha256 +[0-9a-f]{64}$/m);
});

test("a revoked key is listed as revoked and not certified again", async () => {
  const csr = await enrolled("eve");
  const issue = () =>
    authority("issue", csr, "--name", "eve", "--kind", "client", "--out", at("eve", "eve.crt"));
  await issue();
  const revoked = await authority("revoke", at("eve", "eve.crt"));
  const again = await authority(
    "issue",
    csr,
    "--name",
    "eve",
    "--kind",
    "client",
    "--out",
    at("eve", "eve-2.crt"),
  );
  assert.deepEqual([revoked.code, again.code, again.out], [0, 1, ""]);
  const [, file] = /slicelab admin revocation publish '(.+)'/.exec(revoked.err)!;
  assert.match(
    revoked.err,
    /within half a\nminute[\s\S]*at the next call[\s\S]*slicelab admin revocation nodes\n/,
  );
  const lists = await authority("revocations");
  assert.deepEqual([lists.code, lists.out], [0, `${file}\n`]);
  assert.match(lists.err, /^list number \d+ names 1 keys; the next is due by [0-9-]{10} /);
  assert.equal((await authority("revocations", "--days", "none")).code, 2);
  assert.match(again.err, /^slicelab authority: CERTIFICATE_REVOKED: .*make a new key\n$/);
  await assert.rejects(stat(at("eve", "eve-2.crt")), { code: "ENOENT" });
  assert.match((await authority("list")).out, /^eve +client +[0-9a-f]{16} +[0-9-]{10} +revoked$/m);
  const listed = JSON.parse((await authority("list", "-o", "json")).out) as {
    name: string;
    key: string;
    status: string;
  }[];
  const entry = listed.find((one) => one.name === "eve")!;
  assert.deepEqual([entry.status, `${entry.key}\n`], ["revoked", revoked.out]);
});

test("asking for a request again keeps the key", async () => {
  await enrolled("frank");
  const key = await readFile(at("frank", "frank.key"), "utf8");
  const again = await authority("request", "--name", "frank", "--out", at("frank"));
  assert.equal(again.code, 1);
  await runToSuccess("rm", [at("frank", "frank.csr")]);
  assert.equal((await authority("request", "--name", "frank", "--out", at("frank"))).code, 0);
  assert.equal(await readFile(at("frank", "frank.key"), "utf8"), key);
});

test("mistakes on the command line exit with 2, and say what was expected", async () => {
  const csr = await enrolled("grace");
  const mistakes = [
    [],
    ["frobnicate"],
    ["issue"],
    ["issue", csr],
    ["issue", csr, "--name", "grace", "--kind", "root", "--out", at("x")],
    ["issue", csr, "--name", "grace", "--kind", "client", "--days", "0", "--out", at("x")],
    ["issue", csr, "--name", "grace", "--kind", "client", "--days", "1.5", "--out", at("x")],
    ["request", "--name", "x", "--out", at("x"), "--rsa-bits", "1024"],
    ["list", "-o", "xml"],
    ["list", "surplus"],
  ];
  for (const mistake of mistakes) {
    const { code, out, err } = await authorityHere(...mistake);
    assert.deepEqual([code, out], [2, ""], mistake.join(" "));
    assert.match(err, /error:|Usage:/);
  }
});

test("what can't be done exits with 1 and one sentence, without a stack", async () => {
  const csr = await enrolled("heidi");
  await writeFile(at("large"), "x".repeat(100_000));
  await writeFile(at("heidi", "open.key"), await readFile(at("heidi", "heidi.key")), { mode: 0o644 });
  const failures = [
    ["init", "--dir", at("authority")],
    ["list", "--dir", at("nowhere")],
    ["issue", at("missing.csr"), "--name", "x", "--kind", "client", "--out", at("x")],
    ["issue", at("large"), "--name", "x", "--kind", "client", "--out", at("x")],
    ["issue", csr, "--name", "x/y", "--kind", "client", "--out", at("x")],
    ["issue", csr, "--name", "x", "--kind", "server", "--out", at("x")],
    ["issue", csr, "--name", "x", "--kind", "client", "--days", "9999", "--out", at("x")],
    ["issue", csr, "--name", "x", "--kind", "client", "--out", csr],
    ["request", "--name", "../x", "--out", at("heidi")],
    ["show", at("heidi", "open.key")],
    ["revoke", "0".repeat(64)],
  ];
  for (const failure of failures) {
    const { code, out, err } = await authorityHere(...failure);
    assert.deepEqual([code, out], [1, ""], failure.join(" "));
    assert.match(err, /^slicelab authority: [^\n]+\n$/);
  }
  await assert.rejects(stat(at("x")), { code: "ENOENT" });
  assert.doesNotMatch((await authorityHere("list")).out, /^x /m, "and none of them was certified");
});

test("a failing command leaves its exit code to the shell", async () => {
  assert.equal((await authority("revoke", "0".repeat(64))).code, 1);
  assert.equal((await authority("frobnicate")).code, 2);
});

test("help is given on standard output, with exit code 0", async () => {
  for (const args of [["--help"], ["issue", "--help"]]) {
    const { code, out, err } = await authority(...args);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^Usage: slicelab authority/);
  }
});

test("slicelab lists its parts and refuses others with exit code 2", async () => {
  const help = await runProgram(SLICELAB, ["--help"]);
  const none = await runProgram(SLICELAB, []);
  assert.equal(help.code, 0);
  assert.match(help.out, /^ {2}authority {2,}\S/m);
  assert.deepEqual([none.code, none.out, none.err], [2, "", help.out]);
  for (const part of ["frobnicate", "../services/authority", "", "authority/main.ts", "-x", "a b", "*"]) {
    const { code, out, err } = await runProgram(SLICELAB, [part]);
    assert.deepEqual([code, out], [2, ""], part);
    assert.notEqual(err, "");
  }
});

test("slicelab works from any directory, through chains of symbolic links", async () => {
  await mkdir(at("links"));
  await symlink(SLICELAB, at("links", "one"));
  await symlink("one", at("links", "two"));
  const { code, out } = await runProgram("./two", ["authority", "--help"], { cwd: at("links") });
  assert.equal(code, 0);
  assert.match(out, /^Usage: slicelab authority/);
});

test("slicelab hands arguments on exactly as they are", async () => {
  const home = await projectWithoutNode("elsewhere with space", "v24.0.0");
  const args = ["authority", "", "a b", "$HOME", "*", "it's", "--help"];
  const { out } = await runProgram(join(home, "bin", "slicelab"), args, { env: { PATH: withTools(home) } });
  assert.deepEqual(out.split("\n").slice(1, -1), args.slice(1));
});

test("without its own Node, slicelab takes the machine's if it is new enough and says so if not", async () => {
  for (const [version, code] of [
    ["v24.21.0", 0],
    ["v26.0.0", 0],
    ["v20.19.2", 1],
    ["v9.0.0", 1],
    ["nonsense", 1],
  ] as const) {
    const home = await projectWithoutNode(`with ${version}`, version);
    const result = await runProgram(join(home, "bin", "slicelab"), ["authority"], {
      env: { PATH: withTools(home) },
    });
    assert.equal(result.code, code, version);
    if (code === 1) assert.match(result.err, /Node 24 is needed and this machine's is .*npm ci/);
  }
});

/** A copy of bin/ beside an authority, on a machine whose `node` prints its arguments. */
async function projectWithoutNode(name: string, version: string): Promise<string> {
  const home = at(name);
  await mkdir(join(home, "services", "authority"), { recursive: true });
  await writeFile(join(home, "services", "authority", "main.ts"), "");
  await runToSuccess("cp", ["-r", join(SLICELAB, ".."), join(home, "bin")]);
  const node = `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; else printf '%s\\n' "$@"; fi\n`;
  await writeFile(join(home, "node"), node);
  await chmod(join(home, "node"), 0o755);
  return home;
}

function withTools(home: string): string {
  return `${home}:/usr/bin:/bin`;
}
