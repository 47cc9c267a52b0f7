import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { wordsOf } from "#services/node-manager/ssh/command-words.ts";

test("a command line becomes the words that sh would make of it", () => {
  const lines = [
    "/a b",
    "  /a  b ",
    "'a b' c",
    '"a b"c',
    "a\\ b",
    "''",
    'a"\\"b"',
    "it\\'s",
    "a'b'\"c\"d",
    "a=b -c",
  ];
  for (const line of lines) {
    const expected = execFileSync("sh", ["-c", `printf '%s\\n' ${line}`]).toString();
    assert.equal(
      wordsOf(line)
        ?.map((word) => `${word}\n`)
        .join(""),
      expected,
      line,
    );
  }
});

test("what takes a shell is told apart", () => {
  const lines = [
    "",
    " ",
    "a|b",
    "a;b",
    "a&",
    "a>b",
    "$a",
    "`a`",
    "*",
    "a?",
    "[a]",
    "{a,b}",
    "~",
    '"$a"',
    '"`a`"',
  ];
  for (const line of [...lines, "'open", '"open', "a\nb", "(a)", "# a", "a\\"])
    assert.equal(wordsOf(line), undefined, line);
});

test("whatever words the slice command quotes arrive as they were", () => {
  const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1 }), (words) => {
      assert.deepEqual(wordsOf(words.map(quoted).join(" ")), words);
    }),
  );
});
