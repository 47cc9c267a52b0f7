import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";
import { Command } from "commander";
import { generatedFiles } from "#packaging/generated-files.ts";
import { manualPage } from "#packaging/manual.ts";

const missing = spawnSync("mandoc", ["-h"]).error !== undefined;
const skip = missing && "there is no mandoc here";

function complaints(page: string): string[] {
  const { stdout } = spawnSync("mandoc", ["-T", "lint", "-W", "warning"], { input: page, encoding: "utf8" });
  // Pages are made from commands and no day of their own: another day is no other page.
  return stdout.split("\n").filter((line) => line !== "" && !line.includes("missing date"));
}

test("manual pages are without mistakes", { skip }, () => {
  const pages = [...generatedFiles()].filter(([name]) => name.startsWith("man/"));
  assert.ok(pages.length > 8);
  for (const [name, page] of pages) assert.deepEqual(complaints(page), [], name);
});

test("whatever a command says of itself is text in its page", { skip }, () => {
  const command = new Command("odd")
    .description(".SH no heading\n\n'ig nothing \\fBnor bold\\fR\n\n  .nf as it is\n  \\n(.x  -- so")
    .option('-x, --"quoted" <.SH>', ".TP is no instruction");
  const page = manualPage({ name: "odd", command }, [], "1");
  assert.deepEqual(complaints(page), []);
  const shown = execFileSync("mandoc", ["-T", "ascii"], { input: page, encoding: "utf8" }).replace(
    /.\x08/g,
    "",
  );
  for (const words of [
    ".SH no heading",
    "'ig nothing \\fBnor bold\\fR",
    ".nf as it is",
    "\\n(.x  -- so",
    ".TP is no",
  ])
    assert.ok(shown.includes(words), `${words} is not in\n${shown}`);
});
