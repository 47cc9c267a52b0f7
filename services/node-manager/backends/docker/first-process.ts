import { Fault } from "#shared/model/errors.ts";
import { nameProcess, type ProcessName, readProc } from "../machine/process.ts";
import type { ContainerFacts } from "./sliver-container.ts";

/**
 * The first process of a running container, or undefined when it has just ended. Throws BACKEND_FAILED when the daemon's
 * processes are not this machine's, as seen from here: then none could be told from another.
 */
export async function firstProcess({ Id, State }: ContainerFacts): Promise<ProcessName | undefined> {
  if (State.Pid <= 1) return undefined;
  const name = await nameProcess(State.Pid);
  const cgroup = await readProc(`/proc/${State.Pid}/cgroup`);
  if (!name || cgroup === undefined) return undefined;
  if (cgroup.includes(Id)) return name;
  throw new Fault(
    "BACKEND_FAILED",
    "the Docker daemon's processes are not seen from here; run the node manager on its machine, in its process table",
  );
}
