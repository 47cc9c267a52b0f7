import { test } from "node:test";
import { withoutContainers } from "#test/support/container-probe.ts";
import { ATTACKS, HostileLab } from "./hostility.ts";

/** Of all there are, those that take from others the most; the soak tries every one by itself. */
const WORST = [
  "forks without end",
  "fills its disk",
  "opens all files it can",
  "puts links where the node writes and measures",
  "ends every process it sees, the first too",
] as const;

test("whoever is root in a sliver and tries the worst harms neither their neighbour nor their node", {
  skip: await withoutContainers(),
}, async () => {
  await using lab = await HostileLab.open();
  for (const deed of WORST) await lab.attack(ATTACKS[deed]);
  await lab.nothingHappened();
});
