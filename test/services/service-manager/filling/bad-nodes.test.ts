import assert from "node:assert/strict";
import { test } from "node:test";
import { readSlice } from "#services/service-manager/journal/slice-state.ts";
import { assertExactly, leasesAtNodes } from "../exactness.ts";
import type { SliceLabNode } from "../lab-node.ts";
import { sliceLab } from "../slice-lab.ts";
import { BAD_WAYS } from "./bad-nodes.ts";

const WANTED = 20;
const NODES = 40;
const DEADLINE_SECONDS = 20;

type Row = { readonly ip: string; readonly state: string; readonly trouble?: { readonly name: string } };

test("20 of 40 nodes, of which more than a third are bad, each in its own way: all good within one node's deadline, and nothing left behind", async () => {
  await using lab = await sliceLab({ nodes: NODES });
  const ways = [...BAD_WAYS];
  // The worst case: the bad ones are those that the broker likes best.
  const plan = JSON.parse((await lab.slice("plan", "fleet", "--nodes", String(WANTED), "-o", "json")).out);
  const chosen = new Set(
    plan.filter((row: { verdict: string }) => row.verdict === "chosen").map(({ ip }: Row) => ip),
  );
  const bad = lab.nodes.filter(({ ip }) => chosen.has(ip)).slice(0, ways.length);
  const good = lab.nodes.filter((node) => !bad.includes(node));
  assert.ok(bad.length > NODES / 3);
  const wakes: (() => Promise<void>)[] = [];
  for (const [at, [, way]] of ways.entries()) wakes.push(await way.spoil(bad[at]!, good[0]!));

  const began = performance.now();
  const { code, out, err } = await lab.slice(
    ...["create", "fleet", "--nodes", String(WANTED), "--deadline", `${DEADLINE_SECONDS}s`, "-o", "json"],
  );
  const seconds = (performance.now() - began) / 1000;
  try {
    assert.equal(code, 0, err);
    const rows: Row[] = JSON.parse(out).nodes;
    const leased = rows.filter(({ state }) => state === "leased").map(({ ip }) => ip);
    assert.equal(leased.length, WANTED);
    const isGood = (ip: string) => good.some((node) => node.ip === ip);
    assert.deepEqual(
      leased.filter((ip) => !isGood(ip)),
      [],
    );
    for (const [at, [what, { trouble }]] of ways.entries()) {
      const row = rows.find(({ ip }) => ip === bad[at]!.ip);
      assert.equal(row?.trouble?.name, trouble, `a node that ${what}`);
    }
    assert.ok(seconds < DEADLINE_SECONDS, `it took ${seconds} s`);
  } finally {
    const woken = await Promise.allSettled(wakes.map((wake) => wake()));
    assert.deepEqual(
      woken.filter(({ status }) => status === "rejected"),
      [],
    );
  }

  const before = await leasesAtNodes(lab, "fleet");
  const again = await lab.slice("create", "fleet");
  assert.equal(again.code, 0, again.err);
  await assertExactly(lab, "fleet", WANTED);
  const isOurs = ({ name }: SliceLabNode) => good.some((node) => node.name === name);
  const after = await leasesAtNodes(lab, "fleet");
  assert.ok(after.every(({ node }) => isOurs(lab.nodes.find(({ name }) => name === node)!)));
  assert.ok(after.every(({ serial }) => before.some((lease) => lease.serial === serial)));
  assert.deepEqual((await readSlice(lab.home, "fleet"))!.record.unwanted, []);
});
