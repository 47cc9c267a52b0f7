import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { generatedFiles } from "#packaging/generated-files.ts";
import { ROOT } from "../structure/source.ts";

test("files that are made from the code are those the code makes now (npm run packaging)", async () => {
  for (const [name, text] of generatedFiles()) {
    assert.equal(await readFile(join(ROOT, "packaging", name), "utf8"), text, name);
  }
});
