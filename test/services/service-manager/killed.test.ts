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

/** Spread over the whole command, at other steps in every run; killed.soak.ts tries all of them. */
const SAMPLES = 2;

function sampled(name: string, killing: Killing): void {
  test(`${name}: killed anywhere and run again, nothing is missing and nothing doubled`, async (t) => {
    await using lab = await sliceLab({ nodes: 3, realTime: true });
    const steps = await stepsOf(lab, killing);
    for (let sample = 0; sample < SAMPLES; sample++) {
      const step = 1 + Math.floor(((sample + Math.random()) * steps) / SAMPLES);
      await t.test(`at step ${step} of ${steps}`, () => killAt(lab, step, killing));
    }
  });
}

sampled("slice create", CREATE);
sampled("slice create, then slice delete", CREATE_THEN_DELETE);
sampled("slice renew", RENEW);
sampled("slice repair", REPAIR);
sampled("slice launch", LAUNCH);
sampled("slice stop", STOP);
sampled("slice delete", DELETE);
