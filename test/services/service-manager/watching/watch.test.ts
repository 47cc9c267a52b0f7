import assert from "node:assert/strict";
import { test } from "node:test";
import { readSlice } from "#services/service-manager/journal/slice-state.ts";
import { Interrupted } from "#services/service-manager/terminal/exit-code.ts";
import { formatInstant } from "#shared/model/time.ts";
import { eventually } from "#test/support/deadline.ts";
import { assertExactly, leasesAtNodes, nodesOf } from "../exactness.ts";
import { sliceLab } from "../slice-lab.ts";
import { hearAll, watching } from "./watching.ts";

const LEASE = 480;

type Line = { readonly ip: string; readonly event: string; readonly sentence: string };

test("a watched slice is renewed before it ends, its lost node is told and replaced, and Ctrl-C ends it well", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  await lab.slice("create", "hello", "--nodes", "2", "--lease", "8m");
  const [dead, well] = await nodesOf(lab, "hello");
  const interruption = new AbortController();
  const argv = ["watch", "hello", "--repair", "--every", "1s", "-o", "json"];
  const watching = lab.sliceWith({ signal: interruption.signal }, ...argv);

  // Nothing is said of a slice that is well: the first renewal shows that it is looked at.
  const { term } = (await leasesAtNodes(lab, "hello"))[0]!;
  lab.clock.advance(LEASE / 2 + 1);
  await hearAll(lab);
  await eventually(async () => {
    const leases = await leasesAtNodes(lab, "hello");
    return leases.every((lease) => lease.term.end === term.end + LEASE);
  });
  await dead!.stop();
  const fresh = lab.nodes.find((node) => node !== dead && node !== well)!;
  await eventually(async () => (await nodesOf(lab, "hello")).includes(fresh));
  await eventually(async () => !(await nodesOf(lab, "hello")).includes(dead!));
  interruption.abort(new Interrupted());
  const { code, out, err } = await watching;
  assert.equal(code, 0, err);
  const lines: Line[] = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const of = (ip: string) => lines.filter((line) => line.ip === ip);
  const renewed = { event: "renewed", sentence: `until ${formatInstant(term.end + LEASE)} UTC` };
  for (const { ip } of [dead!, well!]) {
    const told = of(ip).filter(({ event }) => event === "renewed");
    assert.deepEqual(
      told.map(({ event, sentence }) => ({ event, sentence })),
      [renewed],
    );
  }
  const lost = of(dead!.ip).filter(({ event }) => event === "lost");
  assert.equal(lost.length, 1);
  assert.match(lost[0]!.sentence, /^UNREACHABLE: /);
  await dead!.start();
  assert.equal((await lab.slice("repair", "hello")).code, 0);
  await assertExactly(lab, "hello", 2);
});

test("a sliver that appears late, on a node that hung when it was asked for it, is said and does not stay", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  const rows = JSON.parse((await lab.slice("plan", "hello", "--nodes", "2", "-o", "json")).out);
  const chosen = rows.find(({ verdict }: { verdict: string }) => verdict === "chosen");
  const hung = lab.nodes.find(({ ip }) => ip === chosen.ip)!;
  const { promise: woken, resolve: wake } = Promise.withResolvers<void>();
  hung.backend.beforeEnsure = () => woken;
  const created = await lab.slice("create", "hello", "--nodes", "2", "--deadline", "5s");
  assert.equal(created.code, 0, created.err);
  assert.match(
    created.err,
    new RegExp(`not confirmed yet that nothing of hello is left on ${hung.ip}: slice watch`),
  );

  await using watch = await watching(lab, "hello", { repair: false });
  hung.backend.beforeEnsure = undefined;
  wake();
  const told = await eventually(
    async () => (await watch.look()).find(({ node, event }) => node === hung.name && event === "ended"),
    { what: "the node having said that nothing is left" },
  );
  assert.match(told.sentence, /its ticket, which was given back, with any sliver that was made of it late/);
  await assertExactly(lab, "hello", 2);
  assert.deepEqual((await readSlice(lab.home, "hello"))!.record.unwanted, []);
});

test("a slice that does not exist is not watched, and one that is deleted is watched no longer", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  assert.equal((await lab.slice("watch", "hello")).code, 5);
  await lab.slice("create", "hello");
  const wrong = await lab.slice("watch", "hello", "--every", "0");
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^slice: "0" is no duration/);
  const watching = lab.slice("watch", "hello", "--every", "1s");
  await eventually(async () => (await lab.slice("delete", "hello")).code === 0);
  const { code, err } = await watching;
  assert.ok(code === 0 || code === 5, err); // 5: it was gone before the first look
});
