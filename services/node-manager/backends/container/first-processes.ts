import type { SliverId } from "../backend.ts";
import { isAlive, type ProcessName, readProcessName } from "../machine/process.ts";
import type { SliverPlaces } from "./places.ts";

/** The slivers' first processes: as long as one lives, its sliver runs. */
export class FirstProcesses {
  /** By number, of those that were seen alive. Only to notice an end early: what is true stands in the machine. */
  readonly #seen = new Map<SliverId, number>();

  /** The sliver's first process, if the sliver's start came to its end and the process still lives. */
  async of(sliver: SliverPlaces): Promise<ProcessName | undefined> {
    const first = await readProcessName(sliver.running);
    if (!first || !(await isAlive(first))) return undefined;
    this.#seen.set(sliver.id, first.pid);
    return first;
  }

  /** From here on the end of the sliver's first process is no news. */
  forget(id: SliverId): void {
    this.#seen.delete(id);
  }

  /**
   * The slivers whose first process has ended since it was last seen, each told once. One system call a sliver. A
   * process whose number was used again meanwhile is taken to live on.
   */
  ended(): SliverId[] {
    const ended = [...this.#seen].filter(([, pid]) => !isThere(pid)).map(([id]) => id);
    for (const id of ended) this.#seen.delete(id);
    return ended;
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
    return code === "EPERM";
  }
}
