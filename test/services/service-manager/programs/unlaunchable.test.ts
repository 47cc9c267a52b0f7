import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { Fault } from "#shared/model/errors.ts";
import { plainDescription, type SliceDescription } from "#shared/model/slice-description.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { assertExactly, leasesAtNodes, nodesOf } from "../exactness.ts";
import type { SliceLabNode } from "../lab-node.ts";
import { type SliceLab, sliceLab } from "../slice-lab.ts";

let lab: SliceLab;

/** A slice of two with a program, described in a file; and the node that would be the first to be chosen. */
async function described(name: string, change: Partial<SliceDescription> = {}) {
  const program = { files: [], env: [], command: "sleep", args: ["600"], restart: "never" as const };
  const path = join(lab.files, `${name}.xml`);
  await writeFile(path, writeSliceDescription({ ...plainDescription(name, 2), program, ...change }));
  const { code, out, err } = await lab.slice("plan", path, "-o", "json");
  assert.equal(code, 0, err);
  const { ip } = JSON.parse(out).find((row: { verdict: string }) => row.verdict === "chosen");
  return { path, first: lab.nodes.find((node) => node.ip === ip)! };
}

/** Has nothing start in the slivers of a node, until the function given back is called. */
function spoil({ backend }: SliceLabNode, how: () => Promise<never>): () => void {
  const { exec } = backend;
  Object.assign(backend, { exec: how });
  return () => Object.assign(backend, { exec });
}

const refuse = async () => {
  throw new Fault("BACKEND_FAILED", "nothing starts here");
};

describe("a node on which the program cannot be started", () => {
  before(async () => {
    lab = await sliceLab({ nodes: 4 });
  });
  after(() => lab[Symbol.asyncDispose]());
  beforeEach(() => assert.ok(lab.nodes.every(({ backend }) => backend.slivers.size === 0)));

  test("is replaced, by a standby first, and its sliver ended", async () => {
    const { path, first } = await described("moved", { nodes: { count: 2, atleast: 2, standby: 1 } });
    const heal = spoil(first, refuse);
    const { code, out, err } = await lab.slice("create", path, "-o", "json");
    heal();
    assert.equal(code, 0, err);
    const row = JSON.parse(out).nodes.find(({ ip }: { ip: string }) => ip === first.ip);
    assert.equal(row.trouble.name, "BACKEND_FAILED");
    assert.equal((await nodesOf(lab, "moved")).includes(first), false);
    await assertExactly(lab, "moved", 2);
    assert.equal((await lab.slice("delete", "moved")).code, 0);
  });

  test("is not waited for when it hangs and others have started it", async () => {
    const { path, first } = await described("passed");
    const heal = spoil(first, () => new Promise(() => {}));
    const began = performance.now();
    const { code, err } = await lab.slice("create", path, "--deadline", "40s");
    const seconds = (performance.now() - began) / 1000;
    heal();
    assert.equal(code, 0, err);
    assert.ok(seconds < 40, `it took ${seconds} s`);
    assert.equal((await nodesOf(lab, "passed")).includes(first), false);
    await assertExactly(lab, "passed", 2);
    assert.equal((await lab.slice("delete", "passed")).code, 0);
  });

  test("keeps its sliver where there is nobody else, for the next run to start it in", async () => {
    const { path, first } = await described("kept", { nodes: { count: 4, atleast: 4, standby: 0 } });
    const heal = spoil(first, refuse);
    const { code, out } = await lab.slice("create", path, "-o", "json");
    heal();
    assert.equal(code, 3);
    const row = JSON.parse(out).nodes.find(({ ip }: { ip: string }) => ip === first.ip);
    assert.deepEqual([row.state, row.trouble.name], ["leased", "BACKEND_FAILED"]);
    const made = (await leasesAtNodes(lab, "kept")).map(({ serial }) => serial);
    assert.equal((await lab.slice("create", path)).code, 0);
    await assertExactly(lab, "kept", 4);
    assert.deepEqual(
      (await leasesAtNodes(lab, "kept")).map(({ serial }) => serial),
      made,
    );
    assert.equal((await lab.slice("delete", "kept")).code, 0);
  });
});
