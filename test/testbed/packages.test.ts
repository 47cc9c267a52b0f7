import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "#test/support/directory.ts";
import { isThere } from "#testbed/packages.ts";
import { REQUIREMENTS } from "#testbed/requirements.ts";

test("a program is found on the PATH and where only root looks, a file by its pattern", async () => {
  await using directory = await temporaryDirectory();
  const bin = join(directory.path, "bin");
  await mkdir(join(directory.path, "lib", "x86_64"), { recursive: true });
  await mkdir(bin);
  await writeFile(join(bin, "slicelab-probe"), "");
  await writeFile(join(directory.path, "lib", "x86_64", "probe.so"), "");

  assert.ok(isThere("slicelab-probe", `/nowhere:${bin}`));
  assert.ok(!isThere("slicelab-probe", "/nowhere"));
  assert.ok(isThere("sh", ""));
  assert.ok(isThere(`${directory.path}/lib/*/probe.so`));
  assert.ok(!isThere(`${directory.path}/lib/*/other.so`));
  assert.ok(!isThere(`${directory.path}/none/*/probe.so`));
});

test("setting up for tests succeeds on any machine, and says nothing on one that has everything", () => {
  const argv = ["testbed/setup.ts", "--for", "tests"];
  const said = execFileSync(process.execPath, argv, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert.equal(said, "");
});

test("every package is required once and says what is lost without it", () => {
  const names = REQUIREMENTS.map((requirement) => requirement.package);
  assert.equal(new Set(names).size, names.length);
  for (const { without, purposes } of REQUIREMENTS) assert.ok(without.length > 0 && purposes.length > 0);
});
