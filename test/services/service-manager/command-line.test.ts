import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parse as parseYaml } from "yaml";
import { runServiceManager } from "#services/service-manager/service.ts";
import { commandLine, shellWord } from "#services/service-manager/ssh/shell.ts";
import {
  EXIT,
  exitCodeOf,
  exitCodeOfMany,
  Interrupted,
  UsageError,
} from "#services/service-manager/terminal/exit-code.ts";
import { formatListing, type Listing } from "#services/service-manager/terminal/output.ts";
import {
  formatDuration,
  readCores,
  readDuration,
  readKilobits,
  readMebibytes,
  readMoment,
} from "#services/service-manager/terminal/quantity.ts";
import { progressLine } from "#services/service-manager/terminal/terminal.ts";
import { Fault } from "#shared/model/errors.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import { printable } from "#shared/runtime/printable.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runProgram } from "#test/support/program.ts";
import type { Ran } from "./slice-lab.ts";

/** Runs a command line that talks to nobody. */
async function run(home: string, ...argv: string[]): Promise<Ran> {
  let [out, err] = ["", ""];
  const code = await runServiceManager(argv, {
    out: async (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    live: false,
    env: { SLICELAB_HOME: home },
    clock: systemClock(),
    interrupted: new AbortController().signal,
  });
  return { code, out, err };
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

test("a table lines its columns up, shows wide ones only when asked, and lets no cell break a line", async () => {
  const listing: Listing<[string, string]> = {
    rows: [
      ["a", "one\ntwo"],
      ["longer", "\u001b[31mred"],
    ],
    columns: [
      { header: "NAME", value: ([name]) => name },
      { header: "WHAT", value: ([, what]) => what },
      { header: "MORE", value: () => "", wide: true },
    ],
    name: ([name]) => name,
    member: ([name, what]) => ({ name, what }),
  };
  assert.equal(await formatListing("table", listing), "NAME    WHAT\na       one?two\nlonger  ?[31mred\n");
  assert.equal(await formatListing("name", listing), "a\nlonger\n");
  assert.match(await formatListing("wide", listing), /MORE\n/);
  assert.deepEqual(JSON.parse(await formatListing("json", listing)), [
    { name: "a", what: "one\ntwo" },
    { name: "longer", what: "\u001b[31mred" },
  ]);
});

test("nothing that is printed for people can steer their terminal", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => !/[\p{Cc}\u202e]/u.test(printable(text))));
});

test("nothing that is printed for programs can either, and it says the same", async () => {
  const spelt = fc.string({ unit: "binary" }).filter((text) => text.isWellFormed());
  const steering = fc.constantFrom(
    "\u009b2J",
    "a\u202eb",
    "\u2028",
    "\u007f",
    "x \u0085 y",
    "k: \u009b31m",
    "\n\u009b",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(spelt, steering)), async (rows) => {
      const listing: Listing<string> = {
        ...{ rows, columns: [], name: String },
        member: (text) => ({ text, beside: { [`k${text}`]: [text] } }),
      };
      const meant = rows.map(listing.member);
      for (const [format, read] of [
        ["json", (text: string): unknown => JSON.parse(text)],
        ["yaml", (text: string): unknown => parseYaml(text)],
      ] as const) {
        const printed = await formatListing(format, listing);
        assert.doesNotMatch(
          printed,
          /(?!\n)[\p{Cc}\u200e\u200f\u061c\u2028\u2029\u202a-\u202e\u2066-\u2069]/u,
        );
        assert.deepEqual(read(printed), meant, format);
      }
    }),
  );
});

test("progress is one line, on a terminal only, and not for those who asked for quiet", () => {
  const written: string[] = [];
  const err = (text: string) => void written.push(text);
  progressLine({ err, live: false }, false).progress("making slivers", 1, 3, 0);
  progressLine({ err, live: true }, true).progress("making slivers", 1, 3, 0);
  assert.deepEqual(written, []);
  const line = progressLine({ err, live: true }, false);
  line.progress("making slivers", 1, 3, 1);
  line.clear();
  assert.deepEqual(written, ["\r\u001b[Kmaking slivers: 1 of 3, 1 failed", "\r\u001b[K"]);
});

test("quantities are read exactly, or not at all", () => {
  assert.deepEqual(
    ["90", "90s", "30m", "12h", "7d", "2w"].map(readDuration),
    [90, 90, 1800, 43_200, 604_800, 1_209_600],
  );
  assert.deepEqual(["0", "0.25", "2", "250m"].map(readCores), [0, 250, 2000, 250]);
  assert.deepEqual(["128", "128M", "1G", "2GiB", "1t"].map(readMebibytes), [128, 128, 1024, 2048, 1_048_576]);
  assert.deepEqual(["1000", "1000k", "10M", "1Gbit"].map(readKilobits), [1000, 1000, 10_000, 1_000_000]);
  assert.equal(readMoment("2030-01-31"), Date.parse("2030-01-31T00:00:00Z") / 1000);
  assert.equal(readMoment("2030-01-31 12:30"), Date.parse("2030-01-31T12:30:00Z") / 1000);
  assert.equal(readMoment("2030-01-31T12:30:01Z"), Date.parse("2030-01-31T12:30:01Z") / 1000);
  for (const text of ["", "-1", "1.5d", "1y", "0s", "1e3", " 1s", "1s\n", "__proto__"]) {
    assert.throws(() => readDuration(text), UsageError, text);
  }
  for (const text of ["", "2030-02-30", "tomorrow", "2030-01-31 25:00", "12:00"]) {
    assert.throws(() => readMoment(text), UsageError, text);
  }
  for (const read of [readCores, readMebibytes, readKilobits]) {
    for (const text of ["", "-1", "1.2345", "1,5", "NaN", "Infinity"])
      assert.throws(() => read(text), UsageError, text);
  }
});

test("a duration for people has its two largest units", () => {
  assert.deepEqual([0, 59, 3600, 90_061].map(formatDuration), ["0 s", "59 s", "1 h", "1 d 1 h"]);
});

test("a word is one word to a shell, whatever is in it", async () => {
  const anyWords = fc.array(
    fc.string({ unit: "binary" }).filter((word) => !word.includes("\0") && word.isWellFormed()),
    {
      minLength: 2,
      maxLength: 5,
    },
  );
  await fc.assert(
    fc.asyncProperty(anyWords, async (words) => {
      const { out } = await runProgram("sh", ["-c", commandLine(["printf", "%s\\0", ...words])]);
      assert.deepEqual(out.split("\0").slice(0, -1), words);
    }),
    { numRuns: 60 },
  );
  assert.equal(shellWord("plain-word_1.2/3"), "plain-word_1.2/3");
  assert.equal(commandLine(["ps | wc -l"]), "ps | wc -l");
});

test("each kind of failure has its exit code", () => {
  const codes = [
    [new Fault("NO_CAPACITY", "x"), EXIT.noCapacity],
    [new Fault("NO_PRIVILEGE", "x"), EXIT.notAllowed],
    [new Fault("CERTIFICATE_EXPIRED", "x"), EXIT.notAllowed],
    [new Fault("NO_SLICE", "x"), EXIT.notFound],
    [new Fault("BAD_NAME", "x"), EXIT.usage],
    [new Fault("BUSY", "x"), EXIT.error],
    [new UsageError("x"), EXIT.usage],
    [new Interrupted(), EXIT.interrupted],
    [new TransportError("timeout", "x"), EXIT.timeout],
    [new TransportError("refused", "x"), EXIT.error],
    [new Error("x"), EXIT.error],
  ] as const;
  for (const [error, code] of codes) assert.equal(exitCodeOf(error), code, error.name);
});

test("many failures come to what they have in common, and to partial when something succeeded", () => {
  const full = new Fault("NO_CAPACITY", "x");
  const late = new TransportError("timeout", "x");
  assert.equal(exitCodeOfMany(0, []), EXIT.ok);
  assert.equal(exitCodeOfMany(3, [full]), EXIT.partial);
  assert.equal(exitCodeOfMany(0, [full, full]), EXIT.noCapacity);
  assert.equal(exitCodeOfMany(0, [late]), EXIT.timeout);
  assert.equal(exitCodeOfMany(0, [late, full]), EXIT.error);
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
