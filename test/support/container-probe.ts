import { canMakeContainers } from "#testbed/engine-choice.ts";
import { temporaryDirectory } from "./directory.ts";

/** Why tests with real slivers cannot run here; false when they can. */
export async function withoutContainers(): Promise<string | false> {
  await using directory = await temporaryDirectory();
  const probe = await canMakeContainers(directory.path);
  return !probe.ok && probe.reason;
}
