import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { type TarFile, tarOf } from "#services/service-manager/programs/tar.ts";
import { clashingPath, isInnerPath } from "#shared/model/slice-description.ts";
import { temporaryDirectory } from "#test/support/directory.ts";

async function extracted(files: readonly TarFile[]): Promise<AsyncDisposable & { readonly path: string }> {
  const directory = await temporaryDirectory();
  const tar = spawn("tar", ["-xf", "-"], { cwd: directory.path, stdio: ["pipe", "inherit", "inherit"] });
  tar.stdin.end(tarOf(files, 1_700_000_000));
  const [code] = await once(tar, "close");
  assert.equal(code, 0);
  return directory;
}

const anyPath = fc
  .array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 12 })
  .map((steps) => steps.join("/"))
  .filter((path) => isInnerPath(path) && path.isWellFormed());

const anyFile: fc.Arbitrary<TarFile> = fc.record({
  path: anyPath,
  mode: fc.constantFrom(0o600, 0o644, 0o755),
  contents: fc.uint8Array({ maxLength: 1500 }).map((bytes) => Buffer.from(bytes)),
});

test("tar extracts what was put in: any path a description allows, any contents, with its mode", async () => {
  const anyFiles = fc
    .uniqueArray(anyFile, { maxLength: 5, selector: ({ path }) => path })
    .filter((files) => clashingPath(files.map(({ path }) => path)) === undefined);
  await fc.assert(
    fc.asyncProperty(anyFiles, async (files) => {
      await using directory = await extracted(files);
      for (const { path, mode, contents } of files) {
        assert.ok((await readFile(join(directory.path, path))).equals(contents), path);
        assert.equal((await stat(join(directory.path, path))).mode & 0o777, mode);
      }
    }),
    { numRuns: 40 },
  );
});
