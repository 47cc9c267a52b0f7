import assert from "node:assert/strict";
import type { Happening } from "#services/service-manager/watching/happenings.ts";
import { assertExactly, isRunning, leasesAtNodes } from "../exactness.ts";
import { sliceLab } from "../slice-lab.ts";
import { watching } from "./watching.ts";

const HOUR = 3600;
const COUNT = 6;
const NODES = 10;
/** Every change of the weather is given so many looks to be dealt with: two find that a node is lost. */
const SETTLING_LOOKS = 4;

/**
 * Watches a slice of six of ten nodes for so many pretended days, in which nodes come and go as the seed says. Whenever
 * things have settled, the slice has as many slivers as it asks for, or as there are nodes; at the end, nothing is left.
 */
export async function watchedFor(days: number, seed: number): Promise<void> {
  await using lab = await sliceLab({ nodes: NODES });
  const created = await lab.slice("create", "month", "--nodes", String(COUNT), "--lease", "1d");
  assert.equal(created.code, 0, created.err);
  const random = mulberry(seed);
  const told: Happening[] = [];
  const place = (hour: number) => `seed ${seed}, hour ${hour}`;
  {
    await using watch = await watching(lab, "month", { every: HOUR });
    for (let hour = 0; hour < days * 24; hour += SETTLING_LOOKS) {
      for (const node of lab.nodes) {
        if (random() > 0.15) continue;
        if (isRunning(node)) await node.stop();
        else await node.start();
      }
      for (let look = 0; look < SETTLING_LOOKS; look++) told.push(...(await watch.look()));
      const running = lab.nodes.filter(isRunning).length;
      const there = await leasesAtNodes(lab, "month");
      const lately = told.slice(-20).map(({ ip, event, sentence }) => `${ip} ${event}: ${sentence}`);
      const circumstances = [place(hour), ...lately, ...watch.warnings.slice(-3)].join("\n");
      assert.equal(there.length, Math.min(COUNT, running), circumstances);
      const now = lab.clock.now();
      for (const { term, ip } of there)
        assert.ok(term.end > now + 6 * HOUR, `${place(hour)}: ${ip} ends soon`);
    }
    for (const node of lab.nodes) if (!isRunning(node)) await node.start();
    for (let look = 0; look < SETTLING_LOOKS; look++) told.push(...(await watch.look()));
  }
  await assertExactly(lab, "month", COUNT, { renewed: true });
  const events = new Set(told.map(({ event }) => event));
  for (const event of ["lost", "new", "left", "renewed"] as const) assert.ok(events.has(event), event);
  assert.equal((await lab.slice("delete", "month")).code, 0);
  await assertExactly(lab, "month", 0);
}

/** The same numbers from 0 to 1 for the same seed, on every machine. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
