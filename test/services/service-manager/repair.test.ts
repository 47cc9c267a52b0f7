import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { readSlice } from "#services/service-manager/journal/slice-state.ts";
import { plainDescription } from "#shared/model/slice-description.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { assertExactly, leasesAtNodes, nodesOf } from "./exactness.ts";
import type { Ran } from "./run-slice.ts";
import { type SliceLab, sliceLab } from "./slice-lab.ts";

const DAY = 86_400;

type Row = { readonly ip: string; readonly result: string; readonly trouble?: { readonly name: string } };

/** What became of every node, by its address. */
function results({ code, out, err }: Ran, expectedCode: number): Record<string, string> {
  assert.equal(code, expectedCode, err);
  const rows: Row[] = JSON.parse(out);
  return Object.fromEntries(
    rows.map(({ ip, result, trouble }) => [ip, trouble ? `${result} ${trouble.name}` : result]),
  );
}

const repair = async (lab: SliceLab, slice = "hello") => await lab.slice("repair", slice, "-o", "json");

test("a dead node is replaced once; when it answers again, its lease is ended", async () => {
  await using lab = await sliceLab({ nodes: 4 });
  await lab.slice("create", "hello", "--nodes", "2");
  const [dead, well] = await nodesOf(lab, "hello");
  const [stays] = await well!.leases();
  await dead!.stop();

  const first = results(await repair(lab), 0);
  const [fresh] = (await nodesOf(lab, "hello")).filter((node) => node !== well);
  assert.deepEqual(first, { [dead!.ip]: "abandoned UNREACHABLE", [well!.ip]: "well", [fresh!.ip]: "new" });
  const second = await lab.slice("repair", "hello");
  assert.equal(second.code, 0);
  assert.match(second.err, /has 2 of 2 slivers; there is nothing to repair/);
  assert.deepEqual(
    await nodesOf(lab, "hello"),
    lab.nodes.filter((node) => [well, fresh].includes(node)),
  );
  assert.match((await lab.slice("status", "hello")).out, / abandoned /);

  await dead!.start();
  assert.equal((await dead!.leases()).length, 1);
  assert.equal(results(await repair(lab), 0)[dead!.ip], "ended");
  await assertExactly(lab, "hello", 2);
  assert.deepEqual(await well!.leases(), [stays]);
  assert.deepEqual((await readSlice(lab.home, "hello"))!.record.abandoned, []);
});

test("a sliver that was ended behind our back is replaced on another node", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  await lab.slice("create", "hello", "--nodes", "2");
  const [robbed, well] = await nodesOf(lab, "hello");
  await robbed!.client.deletelease({ slice: "hello" });
  const came = results(await repair(lab), 0);
  assert.deepEqual([came[robbed!.ip], came[well!.ip]], ["gone NO_SLICE", "well"]);
  assert.ok(!(await nodesOf(lab, "hello")).includes(robbed!));
  await assertExactly(lab, "hello", 2);
});

test("with nothing to repair, nothing changes and it is said", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  const before = await leasesAtNodes(lab, "hello");
  const { code, err } = await lab.slice("repair", "hello");
  assert.equal(code, 0, err);
  assert.match(err, /nothing to repair/);
  assert.deepEqual(await leasesAtNodes(lab, "hello"), before);
  assert.equal((await lab.slice("repair", "other")).code, 5);
});

test("without enough other nodes: exit code 3 with reasons, and the lease of the dead node is kept", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  const path = join(lab.files, "picky.xml");
  const [first, second, avoided] = lab.nodes;
  const { where, ...plain } = plainDescription("picky", 2);
  await writeFile(path, writeSliceDescription({ ...plain, where: { ...where, avoid: [avoided!.ip] } }));
  assert.equal((await lab.slice("create", path)).code, 0);
  await first!.stop();
  const ran = await repair(lab, "picky");
  assert.deepEqual(results(ran, 3), { [first!.ip]: "lost UNREACHABLE", [second!.ip]: "well" });
  assert.match(ran.err, /0 of the 1 nodes needed fit: /);
  assert.match(ran.err, /is to be replaced: UNREACHABLE/);
  assert.match(ran.err, /has the slice/);
  await first!.start();
  assert.equal(results(await repair(lab, "picky"), 0)[first!.ip], "well");
  await assertExactly(lab, "picky", 2);
});

test("a node that hangs is waited for once, up to its deadline, and replaced", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  await lab.slice("create", "hello", "--nodes", "2");
  const [hanging] = await nodesOf(lab, "hello");
  const port = Number(new URL(hanging!.manager.url).port);
  await hanging!.stop();
  const mute = createServer().listen(port, hanging!.ip);
  await once(mute, "listening");
  mute.unref();
  try {
    const began = performance.now();
    const ran = await lab.slice("repair", "hello", "-o", "json", "--deadline", "5s");
    assert.equal(results(ran, 0)[hanging!.ip], "abandoned TIMEOUT");
    assert.ok(performance.now() - began < 9_500);
  } finally {
    mute.close();
  }
});

test("with the agent away too, nothing is given up", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  await lab.slice("create", "hello", "--nodes", "2");
  const [dead] = await nodesOf(lab, "hello");
  await dead!.stop();
  await lab.stopAgent();
  assert.equal(results(await repair(lab), 3)[dead!.ip], "lost UNREACHABLE");
  await dead!.start();
  await lab.startAgent();
  await assertExactly(lab, "hello", 2);
});

test("deleting a slice ends abandoned leases; one whose time is over is forgotten without its node", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  for (const slice of ["back", "away"]) {
    await lab.slice("create", slice, "--nodes", "1", "--lease", "1h");
    const [dead] = await nodesOf(lab, slice);
    await dead!.stop();
    assert.equal((await repair(lab, slice)).code, 0);
    assert.equal((await lab.slice("delete", slice)).code, 3);
    if (slice === "away") lab.clock.advance(30 * DAY);
    else await dead!.start();
    assert.equal((await lab.slice("delete", slice)).code, 0);
    if (slice === "back") await assertExactly(lab, slice, 0);
  }
});

test("a slice that waits for a node which never came is completed on another one", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  for (const node of lab.nodes.slice(1)) await node.stop();
  assert.equal((await lab.slice("create", "hello", "--nodes", "2")).code, 3);
  const { tickets, record } = (await readSlice(lab.home, "hello"))!;
  const kept = [...tickets.values()].filter(({ id }) => !record.unwanted.includes(id));
  assert.equal(kept.length, 1, "one ticket for the one that is missing; the other node's is given back");
  const waiting = kept[0]!.ticket.node;
  await lab.nodes
    .slice(1)
    .find(({ name }) => name !== waiting)!
    .start();
  assert.equal((await repair(lab)).code, 0);
  assert.equal((await leasesAtNodes(lab, "hello")).length, 2);
  await lab.nodes.find(({ name }) => name === waiting)!.start();
  assert.equal((await repair(lab)).code, 0);
  await assertExactly(lab, "hello", 2);
});
