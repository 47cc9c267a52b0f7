import assert from "node:assert/strict";
import { test } from "node:test";
import { assertExactly, nodesOf } from "../exactness.ts";
import type { SliceLabNode } from "../lab-node.ts";
import { sliceLab } from "../slice-lab.ts";

/** Makes a node's engine hang; gives back what lets it go on, and make what it was asked for. */
function hang({ backend }: SliceLabNode): () => void {
  const { promise: woken, resolve: wake } = Promise.withResolvers<void>();
  backend.beforeEnsure = () => woken;
  return () => {
    backend.beforeEnsure = undefined;
    wake();
  };
}

test("nobody stands in for a node that has to be there: the creation is incomplete, says which and why, and goes on trying", async () => {
  await using lab = await sliceLab({ nodes: 4 });
  const [included] = lab.nodes;
  const wake = hang(included!);
  const create = ["create", "hello", "--nodes", "2", "--include", included!.ip, "--deadline", "1s"];
  const first = await lab.slice(...create);
  assert.equal(first.code, 3, first.err);
  assert.match(
    first.err,
    /127\.0\.7\.1 has to be among the nodes of hello and is not: TIMEOUT: .*run this again/,
  );
  const [other, ...more] = await nodesOf(lab, "hello");
  assert.ok(other && other !== included && more.length === 0, "its place is kept");

  const repair = await lab.slice("repair", "hello", "--deadline", "1s");
  assert.equal(repair.code, 3, repair.err);
  assert.match(repair.err, /127\.0\.7\.1 has to be among the nodes of hello and is not: TIMEOUT: /);
  assert.deepEqual(await nodesOf(lab, "hello"), [other]);
  wake();
  assert.equal((await lab.slice("repair", "hello")).code, 0);
  assert.deepEqual(new Set(await nodesOf(lab, "hello")), new Set([included, other]));
  await assertExactly(lab, "hello", 2);

  // Others that fail are replaced all the same, and nobody takes the place of one that cannot make slivers.
  included!.backend.beforeEnsure = async () => {
    throw new Error("no room for this one");
  };
  const picky = await lab.slice("create", "picky", "--nodes", "2", "--include", included!.ip);
  assert.equal(picky.code, 3, picky.err);
  assert.match(picky.err, /127\.0\.7\.1 has to be among the nodes of picky and is not: BACKEND_FAILED: /);
  assert.equal((await nodesOf(lab, "picky")).length, 1);
  included!.backend.beforeEnsure = undefined;
  const again = await lab.slice("create", "picky");
  assert.equal(again.code, 0, again.err);
  assert.ok((await nodesOf(lab, "picky")).includes(included!));
  await assertExactly(lab, "picky", 2);
});
