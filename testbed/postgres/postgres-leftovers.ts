import { readdir, readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const ASK_AGAIN_MILLISECONDS = 20;

/** How a leftover is asked to end, ever less politely, and how long each asking is given. */
const ASKINGS = [
  { signal: "SIGINT", milliseconds: 10_000 },
  { signal: "SIGQUIT", milliseconds: 5_000 },
  { signal: "SIGKILL", milliseconds: 5_000 },
] as const;

/**
 * Ends whatever still runs on the data directory `data` after its starter was killed, and removes the stale
 * `postmaster.pid`: PostgreSQL believes that file if any process at all has that number now. Only for whoever holds the
 * lock on `data`. Its processes are known by their working directory, which for PostgreSQL is its data.
 */
export async function endLeftovers(data: string): Promise<void> {
  for (const { signal, milliseconds } of ASKINGS) {
    if (await ended(data, signal, milliseconds)) break;
  }
  await rm(join(data, "postmaster.pid"), { force: true });
}

async function ended(data: string, signal: NodeJS.Signals, milliseconds: number): Promise<boolean> {
  const until = performance.now() + milliseconds;
  let found = await processesIn(data);
  const main = await mainProcess(data);
  // Interrupting the main one ends all; without it, its orphans are asked one by one.
  for (const pid of found.includes(main) ? [main] : found) send(pid, signal);
  while (found.length > 0 && performance.now() < until) {
    await pause(ASK_AGAIN_MILLISECONDS);
    found = await processesIn(data);
  }
  return found.length === 0;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // ended by itself meanwhile
  }
}

async function mainProcess(data: string): Promise<number> {
  try {
    return Number.parseInt(await readFile(join(data, "postmaster.pid"), "utf8"), 10);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Number.NaN;
    throw error;
  }
}

async function processesIn(directory: string): Promise<number[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      // Not ours to look at, or gone: then it is none of ours.
      const cwd = await readlink(`/proc/${name}/cwd`).catch(() => undefined);
      return cwd === directory ? [Number(name)] : [];
    }),
  );
  return found.flat();
}
