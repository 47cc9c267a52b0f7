import { readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "#shared/model/errors.ts";
import { readMounts } from "./mounts.ts";
import { isThere } from "./presence.ts";
import { waitUntil } from "./process.ts";

const END_MILLISECONDS = 30_000;

/** What the kernel counted for a cgroup. Zeros when it is not there. */
export type CgroupUsage = {
  readonly cpuMicroseconds: number;
  readonly memoryBytes: number;
  readonly processes: number;
  /** Processes that the kernel has ended since it was made, for want of memory. */
  readonly memoryKills: number;
};

/**
 * The cgroup hierarchies of the machine: one for all controllers (v2), one or more controllers each (v1), or both.
 * runc makes a sliver's cgroup in all of them, directly beneath the root, so that a sliver's processor weight is set
 * against the whole machine and removing it leaves no parent behind.
 */
export class Cgroups {
  /** Where each is mounted. */
  readonly hierarchies: readonly string[];
  readonly #v1: ReadonlyMap<string, string>;
  readonly #v2: string | undefined;

  private constructor(
    hierarchies: readonly string[],
    v1: ReadonlyMap<string, string>,
    v2: string | undefined,
  ) {
    this.hierarchies = hierarchies;
    this.#v1 = v1;
    this.#v2 = v2;
  }

  static async find(): Promise<Cgroups> {
    const mounts = await readMounts();
    const v1 = mounts.filter(({ type }) => type === "cgroup");
    const v2 = mounts.find(({ type }) => type === "cgroup2")?.point;
    const byController = v1.flatMap(({ options, point }) =>
      options.map((option) => [option, point] as const),
    );
    const hierarchies = [...v1.map(({ point }) => point), ...(v2 ? [v2] : [])];
    return new Cgroups(hierarchies, new Map(byController), v2);
  }

  /** Where the controller lives, or undefined when this machine has it nowhere. */
  async hierarchyOf(controller: "cpu" | "memory" | "pids" | "cpuacct"): Promise<string | undefined> {
    const v1 = this.#v1.get(controller);
    if (v1 || !this.#v2) return v1;
    const controllers = await readFile(join(this.#v2, "cgroup.controllers"), "utf8");
    return controllers.trim().split(" ").includes(controller) ? this.#v2 : undefined;
  }

  /** Whether the kernel can limit swap: always with v2, with v1 only where it was told to count it. */
  async countsSwap(): Promise<boolean> {
    const memory = this.#v1.get("memory");
    return !memory || (await isThere(join(memory, "memory.memsw.limit_in_bytes")));
  }

  /** The directories that the cgroup `name` has now, in every hierarchy. */
  async directories(name: string): Promise<string[]> {
    const possible = this.hierarchies.map((hierarchy) => join(hierarchy, name));
    const there = await Promise.all(possible.map(isThere));
    return possible.filter((_, index) => there[index]);
  }

  /** Every cgroup whose name begins with `prefix`, by full path: what a node has on this machine. */
  async startingWith(prefix: string): Promise<string[]> {
    const found = await Promise.all(
      this.hierarchies.map(async (hierarchy) =>
        (await readdir(hierarchy))
          .filter((name) => name.startsWith(prefix))
          .map((name) => join(hierarchy, name)),
      ),
    );
    return found.flat();
  }

  async usage(name: string): Promise<CgroupUsage> {
    const [cpuMicroseconds, memoryBytes, processes, memoryKills] = await Promise.all([
      this.#cpu(name),
      this.#memory(name),
      this.#processes(name),
      this.#memoryKills(name),
    ]);
    return { cpuMicroseconds, memoryBytes, processes, memoryKills };
  }

  /** Ends every process of the cgroup and removes it from every hierarchy. Nothing when it is not there. */
  async remove(name: string): Promise<void> {
    const removed = await waitUntil(async () => {
      const directories = await this.directories(name);
      for (const directory of directories) {
        for (const pid of await pidsIn(directory)) endProcess(pid);
        await removeEmpty(directory);
      }
      return directories.length === 0;
    }, END_MILLISECONDS);
    if (!removed) throw new Fault("BACKEND_FAILED", "a sliver's processes do not end; try again");
  }

  async #cpu(name: string): Promise<number> {
    const v1 = this.#v1.get("cpuacct");
    if (v1) return Math.round((await readCount(join(v1, name, "cpuacct.usage"))) / 1000);
    return this.#v2 ? readEntry(join(this.#v2, name, "cpu.stat"), "usage_usec") : 0;
  }

  /** Without the file contents the kernel would drop at once if the memory were wanted. */
  async #memory(name: string): Promise<number> {
    const v1 = this.#v1.get("memory");
    const directory = v1 ?? this.#v2;
    if (!directory) return 0;
    const [all, droppable] = await Promise.all([
      readCount(join(directory, name, v1 ? "memory.usage_in_bytes" : "memory.current")),
      readEntry(join(directory, name, "memory.stat"), v1 ? "total_inactive_file" : "inactive_file"),
    ]);
    return Math.max(0, all - droppable);
  }

  async #processes(name: string): Promise<number> {
    const directory = this.#v1.get("pids") ?? this.#v2;
    return directory ? readCount(join(directory, name, "pids.current")) : 0;
  }

  async #memoryKills(name: string): Promise<number> {
    const v1 = this.#v1.get("memory");
    if (v1) return readEntry(join(v1, name, "memory.oom_control"), "oom_kill");
    return this.#v2 ? readEntry(join(this.#v2, name, "memory.events"), "oom_kill") : 0;
  }
}

async function pidsIn(directory: string): Promise<number[]> {
  const text = await readIfThere(join(directory, "cgroup.procs"));
  return text
    .split("\n")
    .map(Number)
    .filter((pid) => pid > 1);
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it ended by itself
  }
}

async function removeEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EBUSY" && code !== "ENOENT") throw error; // its processes are still ending, or it is gone already
  }
}

async function readCount(path: string): Promise<number> {
  return Number((await readIfThere(path)).trim());
}

/** The number after `key` in a file of `key number` lines. */
async function readEntry(path: string, key: string): Promise<number> {
  const line = (await readIfThere(path)).split("\n").find((entry) => entry.startsWith(`${key} `));
  return line ? Number(line.slice(key.length + 1)) : 0;
}

/** A cgroup's file; empty when the cgroup is gone, which it may be at any moment. */
async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENODEV") return "";
    throw error;
  }
}
