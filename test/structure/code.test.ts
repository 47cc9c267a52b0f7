import assert from "node:assert/strict";
import { test } from "node:test";
import { offences, typescript } from "./source.ts";

const SHARED = typescript("shared");
const SERVICES = typescript("services");
const TESTBED = typescript("testbed");
const TESTS = typescript("test");
const LONGEST = 300;

/** Files that may do what is otherwise forbidden, each for the reason beside it. */
const EXEMPT = {
  clock: /^shared\/runtime\/clock\.ts$/, // is where time comes from
  exit: /^shared\/runtime\/lifecycle\.ts$/, // is where processes end
  sql: /^(services\/[^/]+\/store(\.ts|\/.*)|shared\/runtime\/migrations\.ts)$/,
  engines: /^services\/node-manager\/backends\//,
  pause: /^test\/support\/deadline\.ts$/, // is how tests wait
};

function outside<File extends { path: string }>(files: readonly File[], exempt: RegExp): File[] {
  return files.filter(({ path }) => !exempt.test(path));
}

test("time comes from the clock that was passed", () => {
  const files = outside([...SHARED, ...SERVICES], EXEMPT.clock);
  assert.deepEqual(offences(files, /\bnew Date\(\s*\)|\bDate\.now\(/), []);
});

test("services end by being disposed of", () => {
  const files = outside([...SHARED, ...SERVICES], EXEMPT.exit);
  assert.deepEqual(offences(files, /\bprocess\.exit\(/), []);
});

test("SQL stands in store files only", () => {
  // At the beginning of a text, or of a line in a longer one.
  const sql =
    /(^|["'`])\s*(select\s.+\sfrom\s|insert into\s|update\s+\w+\s+set\s|delete from\s|create table\s)/i;
  assert.deepEqual(offences(outside([...SHARED, ...SERVICES], EXEMPT.sql), sql), []);
});

test("only the backends tell engines apart", () => {
  const engine = /(===?|!==?|\bcase)\s*"(simulated|container|microvm|docker)"/;
  assert.deepEqual(offences(outside([...SHARED, ...SERVICES], EXEMPT.engines), engine), []);
});

test("no error is swallowed unseen", () => {
  const swallowed = /\bcatch\s*(\([^)]*\))?\s*\{\s*\}|\.catch\(\s*\(\s*\)\s*=>\s*\{\s*\}\s*\)/;
  assert.deepEqual(offences([...SHARED, ...SERVICES, ...TESTBED, ...TESTS], swallowed), []);
});

test("tests wait for what they wait for, not for a time", () => {
  const sleep = /from "node:timers\/promises"|\bsetTimeout\(\s*(resolve|done)\b/;
  assert.deepEqual(offences(outside(TESTS, EXEMPT.pause), sleep), []);
});

test("files are nouns, and small", () => {
  const files = [...SHARED, ...SERVICES, ...TESTBED];
  assert.deepEqual(
    files.filter(({ text }) => text.split("\n").length > LONGEST).map(({ path }) => path),
    [],
  );
  assert.deepEqual(
    files
      .filter(({ path }) => /\/(utils?|helpers?|misc|common|index)\.ts$/.test(path))
      .map(({ path }) => path),
    [],
  );
});
