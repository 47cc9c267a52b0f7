import assert from "node:assert/strict";
import { test } from "node:test";
import { sliceLab } from "./slice-lab.ts";

test("who gets no nodes is told why, for how many of them, and what would help; a plan tells the same", async () => {
  await using lab = await sliceLab({ nodes: 4 });
  for (const [options, told] of [
    [["--lease", "400d"], /4 nodes are held for less than 400 days; ask for a lease of at most 28 days\n/],
    [["--image", "nope"], /4 nodes do not have the image nope; ask for another image\n/],
    [["--engine", "microvm"], /4 nodes do not run microvm; ask for another engine\n/],
    [["--where", "region=mars"], /4 nodes are not of region mars; ask for other nodes\n/],
    [["--memory", "1T"], /4 nodes have less than 1048576 MiB of memory free; ask for less\n/],
    [["--nodes", "5"], /4 of the 5 nodes needed fit: .*; ask for fewer nodes\n/],
  ] as const) {
    for (const command of ["create", "plan"]) {
      const { code, err } = await lab.slice(command, "web", ...options);
      assert.equal(code, 6, err);
      assert.match(err, told);
    }
  }
  const never = await lab.slice("create", "web", "--lease", "401d");
  assert.equal(never.code, 2);
  assert.match(never.err, /"401d": a lease lasts 400 days at most/);
  const long = await lab.slice("create", "web", "--lease", "300d");
  assert.equal(long.code, 4);
  assert.match(long.err, /leases last up to 28 days here; ask for a shorter one and renew it/);
  assert.deepEqual(await lab.charges(), []);
});
