import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse as parseYaml } from "yaml";
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
import { printable } from "#shared/runtime/printable.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { runProgram } from "#test/support/program.ts";

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
