import { after, before, describe, test } from "node:test";
import { withoutContainers } from "#test/support/container-probe.ts";
import { ATTACKS, HostileLab } from "./hostility.ts";

describe("whoever is root in a sliver", { skip: await withoutContainers() }, () => {
  let lab: HostileLab;
  before(async () => {
    lab = await HostileLab.open();
  });
  after(() => lab[Symbol.asyncDispose]());

  for (const [deed, script] of Object.entries(ATTACKS)) {
    test(`and ${deed} harms neither their neighbour nor their node`, async () => {
      await lab.attack(script);
      await lab.nothingHappened();
    });
  }
});
