import { test } from "node:test";
import {
  CREATE,
  CREATE_THEN_DELETE,
  DELETE,
  type Killing,
  killAt,
  LAUNCH,
  RENEW,
  REPAIR,
  STOP,
  stepsOf,
} from "./killed.ts";
import { sliceLab } from "./slice-lab.ts";

function exhaustive(name: string, killing: Killing): void {
  test(`${name}: killed at every step and run again, nothing is missing and nothing doubled`, async (t) => {
    await using lab = await sliceLab({ nodes: 3, realTime: true });
    const steps = await stepsOf(lab, killing);
    for (let step = 1; step <= steps; step++) {
      await t.test(`at step ${step} of ${steps}`, () => killAt(lab, step, killing));
    }
  });
}

exhaustive("slice create", CREATE);
exhaustive("slice create, then slice delete", CREATE_THEN_DELETE);
exhaustive("slice renew", RENEW);
exhaustive("slice repair", REPAIR);
exhaustive("slice launch", LAUNCH);
exhaustive("slice stop", STOP);
exhaustive("slice delete", DELETE);
