import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSliceName, isSliceName, isUnderPrefix } from "#shared/model/slice-name.ts";

test("names that a slice may have", () => {
  for (const name of [
    "a",
    "dns",
    "princeton_dns",
    "p2",
    "a_1",
    "abcdefghijklmnop",
    `${"a".repeat(16)}_${"b".repeat(15)}`,
  ]) {
    assert.equal(isSliceName(name), true, name);
  }
});

test("names that would reach a path, a shell, a user table or a terminal are refused", () => {
  const names = [
    "",
    "A",
    "1a",
    "_a",
    "a_",
    "a__b",
    "a_b_c",
    "a-b",
    "a.b",
    "a b",
    " a",
    "a ",
    "a\n",
    "\na",
    "a\0",
    "a/b",
    "../a",
    "a'",
    "a;b",
    "$a",
    "-a",
    "é",
    "ａ",
    "a".repeat(17),
    `a_${"b".repeat(16)}`,
    "root",
    "nobody",
    "slicelab",
    "sshd",
  ];
  for (const name of names) {
    assert.equal(isSliceName(name), false, JSON.stringify(name));
    assert.throws(() => checkSliceName(name), { name: "BAD_NAME", code: 502 });
  }
});

test("a refusal shows the name without what a terminal would obey", () => {
  const shown = (name: string) => {
    try {
      return checkSliceName(name);
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.doesNotMatch(shown("\u001b[31mred\r\n"), /[\0-\x1f]/);
  assert.ok(shown("x".repeat(100_000)).length < 400);
});

test("a prefix covers itself and what follows it after an underscore", () => {
  assert.equal(isUnderPrefix("princeton", "princeton"), true);
  assert.equal(isUnderPrefix("princeton_dns", "princeton"), true);
  assert.equal(isUnderPrefix("princetonx", "princeton"), false);
  assert.equal(isUnderPrefix("princeton", "princeton_dns"), false);
  assert.equal(isUnderPrefix("prince", "princeton"), false);
});
