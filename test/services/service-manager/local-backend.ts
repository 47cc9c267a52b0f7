import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import type {
  Backend,
  Command,
  RunningCommand,
  SliverId,
  SliverPlan,
} from "#services/node-manager/backends/backend.ts";
import { Fault } from "#shared/model/errors.ts";

const KEEPER = new URL("../../../services/node-manager/backends/programs/program.sh", import.meta.url);

/** An engine for tests: slivers are directories, and commands run on this machine with such a directory as home. */
export type LocalBackend = Backend &
  AsyncDisposable & {
    /** Slivers that are there, by the slice's name. */
    readonly slivers: ReadonlyMap<SliverId, SliverPlan>;
    homeOf(id: SliverId): string;
    /** Stands in the way of making slivers. */
    beforeEnsure?: (plan: SliverPlan) => Promise<void>;
  };

export function localBackend(directory: string): LocalBackend {
  const slivers = new Map<SliverId, SliverPlan>();
  const children = new Set<ChildProcess>();
  const homeOf = (id: SliverId) => join(directory, id);

  /** What lies at fixed places in a sliver lies beside its home here. */
  const placed = (id: SliverId, text: string) =>
    text
      .replaceAll("/usr/lib/slicelab", `${homeOf(id)}.library`)
      .replaceAll("/var/lib/slicelab", `${homeOf(id)}.state`);

  async function exec(id: SliverId, { argv, env }: Command): Promise<RunningCommand> {
    if (!slivers.has(id)) throw new Fault("NO_SLICE", `there is no sliver ${id}`);
    const [file = "", ...args] = argv.map((word) => placed(id, word));
    const home = homeOf(id);
    const child = spawn(file, args, {
      cwd: home,
      env: { PATH: process.env.PATH, HOME: home, ...env },
      detached: true,
    });
    children.add(child);
    const exit = once(child, "close").then((ended) => {
      const [code, signal] = ended as [number | null, NodeJS.Signals | null];
      children.delete(child);
      return signal ? { code: 128 + constants.signals[signal], signal } : { code: code ?? 255 };
    });
    return {
      stdin: child.stdin,
      stdout: child.stdout,
      stderr: child.stderr,
      exit,
      kill: (name) => void child.kill(name),
    };
  }

  const backend: LocalBackend = {
    statement: {
      engine: "simulated",
      simulated: true,
      images: ["debian-12"],
      defaultImage: "debian-12",
      abilities: ["ports", "administrative"],
    },
    slivers,
    homeOf,
    async ensure(plan) {
      await backend.beforeEnsure?.(plan);
      const library = placed(plan.id, "/usr/lib/slicelab");
      for (const directory of [homeOf(plan.id), library]) await mkdir(directory, { recursive: true });
      const keeper = await readFile(KEEPER, "utf8");
      await writeFile(join(library, "program"), placed(plan.id, keeper));
      slivers.set(plan.id, plan);
    },
    async stop() {},
    async remove(id) {
      slivers.delete(id);
      await endProcessesIn(homeOf(id));
      for (const suffix of ["", ".library", ".state"])
        await rm(`${homeOf(id)}${suffix}`, { recursive: true, force: true });
    },
    list: async () => [...slivers.keys()].map((id) => ({ id, state: "running" as const })),
    exec,
    usage: async () => ({ cpuMicroseconds: 0, memoryBytes: 0, processes: 0, diskBytes: 0 }),
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill("SIGKILL");
      for (const id of slivers.keys()) await endProcessesIn(homeOf(id));
    },
  };
  return backend;
}

/** Ends what was left running with this directory as its own: supervisors of programs outlive their connections. */
export async function endProcessesIn(home: string): Promise<void> {
  const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name));
  await Promise.all(
    pids.map(async (pid) => {
      // A process may end, or be another's, while it is looked at.
      const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
      if (environment.split("\0").includes(`HOME=${home}`)) killIfThere(Number(pid));
    }),
  );
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
