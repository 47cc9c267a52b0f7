import { join } from "node:path";
import { probeContainerEngine } from "#services/node-manager/backends/container/probe.ts";
import { IMAGES_DIRECTORY } from "#services/node-manager/backends/open.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import type { TestbedEngine } from "./layout.ts";

/** Whether real slivers can be made below `home`; if not, why, as the end of a sentence. */
export function canMakeContainers(home: string) {
  const clock = systemClock();
  return probeContainerEngine({
    stateDirectory: join(home, "probe"),
    imagesDirectory: IMAGES_DIRECTORY,
    now: () => clock.now(),
  });
}

/** Throws OperatorError when the engine asked for cannot work here. */
export async function chooseEngine(engine: TestbedEngine, home: string): Promise<void> {
  if (engine === "simulated") return;
  const probe = await canMakeContainers(home);
  if (!probe.ok) throw new OperatorError(`--engine container does not work here: ${probe.reason}`);
}
