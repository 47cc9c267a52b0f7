import assert from "node:assert/strict";
import { mkdir, readdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import {
  nodePlaces,
  type SliverPlaces,
  sliverPlaces,
} from "#services/node-manager/backends/container/places.ts";
import {
  FIRST_BASE,
  IDS_PER_SLIVER,
  IdBlocks,
} from "#services/node-manager/backends/container/users/id-blocks.ts";
import { someNode, somePlan } from "#test/contract/backend.ts";
import { temporaryDirectory } from "#test/support/directory.ts";

const BLOCKS = 3072;

/** Two node managers of one machine. */
async function machine() {
  const directory = await temporaryDirectory();
  const list = join(directory.path, "user-ids");
  const nodes = [someNode(), someNode()].map((node) => nodePlaces(join(directory.path, "state"), node));
  const managers = await Promise.all(nodes.map((node) => IdBlocks.open(list, node)));
  async function sliver(at: number): Promise<SliverPlaces> {
    const places = sliverPlaces(nodes[at]!, somePlan().id);
    await mkdir(places.directory, { recursive: true });
    return places;
  }
  return { list, nodes, managers, sliver, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

test("a hundred slivers of two nodes that claim at once have a hundred blocks", async () => {
  await using lab = await machine();
  const slivers = await Promise.all(Array.from({ length: 100 }, (_, n) => lab.sliver(n % 2)));
  const bases = await Promise.all(slivers.map((sliver, n) => lab.managers[n % 2]!.claim(sliver)));
  assert.equal(new Set(bases).size, 100);
  for (const base of bases) {
    assert.equal((base - FIRST_BASE) % IDS_PER_SLIVER, 0);
    assert.ok(base >= FIRST_BASE && base + IDS_PER_SLIVER - 1 < 2 ** 31);
  }
});

test("a sliver that was claimed for before a crash has the same block after it", async () => {
  await using lab = await machine();
  const sliver = await lab.sliver(0);
  const base = await lab.managers[0]!.claim(sliver);
  const restarted = await IdBlocks.open(lab.list, lab.nodes[0]!);
  assert.equal(await restarted.claim(sliver), base);
  assert.equal((await readdir(lab.list)).filter((name) => name !== ".lock").length, 1);
});

test("what another sliver has is neither confirmed nor released", async () => {
  await using lab = await machine();
  const [mine, other] = [await lab.sliver(0), await lab.sliver(1)];
  const base = await lab.managers[0]!.claim(mine);
  await assert.rejects(lab.managers[1]!.confirm(base, other), { name: "BACKEND_FAILED" });
  await lab.managers[1]!.release(other);
  await lab.managers[0]!.confirm(base, mine);
});

test("the last block is given away, then abandoned ones, once each, and then none", async () => {
  await using lab = await machine();
  const [manager] = lab.managers;
  const living = await lab.sliver(0);
  const abandoned = [5, 6];
  for (let block = 0; block < BLOCKS - 1; block++) {
    const owner = abandoned.includes(block) ? "/nowhere/any/more" : living.directory;
    await symlink(owner, join(lab.list, String(FIRST_BASE + block * IDS_PER_SLIVER)));
  }
  const slivers = await Promise.all([0, 1, 0, 1].map((at) => lab.sliver(at)));
  assert.equal(await manager!.claim(slivers[0]!), FIRST_BASE + (BLOCKS - 1) * IDS_PER_SLIVER);
  const rest = await Promise.all([1, 2].map((at) => lab.managers[at % 2]!.claim(slivers[at]!)));
  assert.deepEqual(
    rest.sort((a, b) => a - b),
    abandoned.map((block) => FIRST_BASE + block * IDS_PER_SLIVER),
  );
  await assert.rejects(manager!.claim(slivers[3]!), { message: /no user ids left; delete a sliver first/ });
});

test("opening drops what the node's own removed slivers had, and nobody else's", async () => {
  await using lab = await machine();
  const [gone, going, others] = [await lab.sliver(0), await lab.sliver(0), await lab.sliver(1)];
  await lab.managers[0]!.claim(gone);
  const kept = [await lab.managers[0]!.claim(going), await lab.managers[1]!.claim(others)];
  for (const { directory } of [gone, going, others]) await rm(directory, { recursive: true });
  await mkdir(going.gone);
  await IdBlocks.open(lab.list, lab.nodes[0]!);
  const names = (await readdir(lab.list)).filter((name) => name !== ".lock").map(Number);
  assert.deepEqual(
    names.sort((a, b) => a - b),
    kept.sort((a, b) => a - b),
  );
});
