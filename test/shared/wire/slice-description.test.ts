import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "#shared/model/errors.ts";
import {
  ANYWHERE,
  clashingPath,
  isInnerPath,
  plainDescription,
  type SliceDescription,
} from "#shared/model/slice-description.ts";
import { readSliceDescription, writeSliceDescription } from "#shared/wire/slice-description.ts";
import { description } from "#test/support/arbitrary-description.ts";

const EXAMPLE = new URL("../../../examples/oceanstore.xml", import.meta.url);

const DESCRIPTION = `<slice>
  <name>oceanstore</name>
  <nodes>3</nodes>
  <lease_seconds>86400</lease_seconds>
  <where>
    <site distinct="true"/>
  </where>
  <program>
    <file path="run.sh" mode="755" source="run.sh"/>
    <command>./run.sh</command>
  </program>
</slice>
`;

/** What a person is told about DESCRIPTION with one change. */
function told(from: string | RegExp, to: string): string {
  const text = DESCRIPTION.replace(from, to);
  assert.notEqual(text, DESCRIPTION);
  try {
    readSliceDescription(text);
  } catch (error) {
    if (error instanceof Fault) return error.sentence;
    throw error;
  }
  assert.fail("it was taken");
}

test("every description is read as it was written", () => {
  fc.assert(
    fc.property(description, (description) => {
      assert.deepEqual(readSliceDescription(writeSliceDescription(description)), plain(description));
    }),
    { numRuns: 500 },
  );
});

/** fast-check's records have no prototype. */
function plain(description: SliceDescription): unknown {
  return structuredClone(description);
}

test("the example reads, and asks for little", () => {
  const example = readSliceDescription(readFileSync(EXAMPLE));
  assert.equal(example.nodes.count, 3);
  assert.equal(example.leaseSeconds, 3600);
  assert.deepEqual(example.resources, { cpuMillis: 100, memoryMib: 64, diskMib: 128, egressKbps: 0 });
  for (const { source } of example.program!.files)
    assert.ok(readFileSync(new URL(source, EXAMPLE)).length > 0);
});

test("a name and a number of nodes make a description", () => {
  const made = readSliceDescription(writeSliceDescription(plainDescription("princeton_dns", 3)));
  assert.deepEqual(made, {
    name: "princeton_dns",
    nodes: { count: 3, atleast: 3, standby: 0 },
    leaseSeconds: 86_400,
    ports: [],
    where: ANYWHERE,
  });
});

test("what is absent is filled in: all nodes needed, none in reserve, mode 644, restarted on failure", () => {
  const read = readSliceDescription(DESCRIPTION.replace(' mode="755"', ""));
  assert.deepEqual(read.nodes, { count: 3, atleast: 3, standby: 0 });
  assert.equal(read.program?.files[0]?.mode, 0o644);
  assert.equal(read.program?.restart, "on-failure");
});

test("what an editor adds says nothing: a byte order mark, and CRLF even inside a value", () => {
  const text = DESCRIPTION.replace("</command>", "</command><arg>one\ntwo</arg>");
  const read = readSliceDescription(text);
  assert.deepEqual(read.program?.args, ["one\ntwo"]);
  assert.deepEqual(readSliceDescription(`\uFEFF${text.replaceAll("\n", "\r\n")}`), read);
});

test("an author is told line and column, and what to write instead", () => {
  assert.match(
    told("lease_seconds>86400</lease_seconds", "lease>1</lease"),
    /^line 4, column 3: <lease> is not known in <slice>; write .*<lease_seconds>/,
  );
  assert.match(
    told("<nodes>3", "<nodes>three"),
    /^line 3, column 3: <nodes>: "three" .*; write <nodes>3<\/nodes>/,
  );
  assert.match(
    told("distinct", "distant"),
    /^line 6, column 5: <site> takes no distant="…"; write <site distinct="true"\/>/,
  );
  assert.match(told(' source="run.sh"', ""), /^line 9, column 5: <file> lacks source="…"; write <file path=/);
  assert.match(
    told("<command>./run.sh</command>", ""),
    /^line 8, column 3: <program> lacks <command>; write <command>/,
  );
  assert.match(told("</where>", "</here>"), /^line 7, column 9: the XML is not well-formed/);
  assert.match(
    told("</slice>\n", "</slice>\n<slice></slice>"),
    /^line 13, column 1: there is a second root <slice>/,
  );
  assert.match(
    told("</name>", "</name><name>two</name>"),
    /^line 2, column 26: there is a second <name>; leave one/,
  );
});

test("the first of several mistakes is told, and a misspelt element before what it leaves lacking", () => {
  assert.match(told(/<name>.*/, "<nam>oceanstore</nam>"), /^line 2, .*<nam> is not known/);
  assert.match(told(/3<\/nodes>\n.*\n/, "0</nodes>\n  <lease_seconds>x</lease_seconds>\n"), /^line 3/);
});

test("a name that no slice may have is BAD_NAME, everything else MALFORMED", () => {
  const reading = (from: string, to: string) => () => readSliceDescription(DESCRIPTION.replace(from, to));
  assert.throws(reading("oceanstore", "Ocean Store"), { name: "BAD_NAME", code: 502 });
  assert.throws(reading("86400", "-1"), { name: "MALFORMED", code: 100 });
  assert.throws(() => readSliceDescription("x".repeat(65 * 1024)), { name: "TOO_LARGE", code: 101 });
  assert.throws(() => readSliceDescription(Buffer.of(0x3c, 0xff)), { name: "MALFORMED" });
});

test("no text at all makes the reader fail otherwise than by a fault", () => {
  const fragments = fc.constantFrom(
    "<slice>",
    "</slice>",
    "<name>",
    "</name>",
    "oceanstore",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<!DOCTYPE x [",
    "]>",
    "<?xml",
    "?>",
    "&amp;",
    "&#0;",
    "&x;",
    "<__proto__>",
    "<constructor/>",
    "<toString a='1'/>",
    "<cdata>",
    "</cdata>",
    "<nodes a='1' a='2'>",
    "'",
    '"',
    "=",
    "<",
    ">",
    "/",
    " ",
    "\0",
    "\ud800",
  );
  const text = fc.oneof(
    fc.array(fragments, { maxLength: 12 }).map((parts) => parts.join("")),
    mutated(),
  );
  fc.assert(
    fc.property(text, (text) => {
      try {
        readSliceDescription(text);
      } catch (error) {
        assert.ok(error instanceof Fault, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

/** The description with something cut out and something put in. */
function mutated(): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(DESCRIPTION.length), fc.nat(8), fc.string({ maxLength: 4 }))
    .map(([at, cut, put]) => DESCRIPTION.slice(0, at) + put + DESCRIPTION.slice(at + cut));
}

test("a file never leaves the sliver's home", () => {
  for (const path of ["run.sh", "bin/run.sh", "..x/y", "a b", "..."])
    assert.equal(isInnerPath(path), true, path);
  for (const path of [
    "",
    "/",
    "/etc",
    "..",
    "../x",
    "a/../../x",
    "a/..",
    ".",
    "./x",
    "a//b",
    "a/",
    "a\0b",
    "a\nb",
    "x".repeat(256),
  ]) {
    assert.equal(isInnerPath(path), false, JSON.stringify(path));
  }
});

test("no file stands where another needs a directory", () => {
  assert.equal(clashingPath(["a", "b/a", "b/c"]), undefined);
  assert.equal(clashingPath(["a", "b", "a"]), "a");
  assert.equal(clashingPath(["b/c", "b"]), "b");
  assert.equal(clashingPath(["b", "bc"]), undefined);
});

test("a description that would be read as another is not written", () => {
  const description = plainDescription("dns", 1);
  const program = { files: [], env: [], command: "x", args: [], restart: "never" as const };
  for (const command of [" x", "x\n", "x\0", "\ud800"]) {
    assert.throws(() => writeSliceDescription({ ...description, program: { ...program, command } }), {
      name: "MALFORMED",
    });
  }
});
