import { test } from "node:test";
import {
  CREATE,
  CREATE_AROUND,
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
import { realBroker } from "./real-broker.ts";
import { sliceLab } from "./slice-lab.ts";

function exhaustive(name: string, killing: Killing, broker?: typeof realBroker): void {
  const how = broker ? ", through a broker" : "";
  test(`${name}${how}: killed at every step and run again, nothing is missing and nothing doubled`, async (t) => {
    await using lab = await sliceLab({ nodes: 3, realTime: true });
    await using _ = await broker?.(lab);
    const steps = await stepsOf(lab, killing);
    for (let step = 1; step <= steps; step++) {
      await t.test(`at step ${step} of ${steps}`, () => killAt(lab, step, killing));
    }
  });
}

exhaustive("slice create", CREATE);
exhaustive("slice create around a node that is away", CREATE_AROUND);
exhaustive("slice create, then slice delete", CREATE_THEN_DELETE);
exhaustive("slice renew", RENEW);
exhaustive("slice repair", REPAIR);
exhaustive("slice launch", LAUNCH);
exhaustive("slice stop", STOP);
exhaustive("slice delete", DELETE);
exhaustive("slice create", CREATE, realBroker);
exhaustive("slice create, then slice delete", CREATE_THEN_DELETE, realBroker);
exhaustive("slice repair", REPAIR, realBroker);
