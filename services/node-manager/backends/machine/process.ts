import { readFile, rename, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { readIfPresent } from "#shared/runtime/durable-file.ts";

const END_MILLISECONDS = 20_000;

/**
 * A process named so that nothing else is ever taken for it: process numbers are used again, and after a restart of
 * the machine even together with the same start time.
 */
export type ProcessName = {
  readonly pid: number;
  /** Clock ticks between the machine's boot and the process's start (proc(5), field 22 of `stat`). */
  readonly started: string;
  readonly boot: string;
};

/** The name of the process that has this number now, or undefined when there is none or it only waits to be reaped. */
export async function nameProcess(pid: number): Promise<ProcessName | undefined> {
  const stat = await readStat(pid);
  if (!stat) return undefined;
  return { pid, started: stat.started, boot: await bootId() };
}

export async function isAlive(name: ProcessName): Promise<boolean> {
  const now = await nameProcess(name.pid);
  return now !== undefined && now.started === name.started && now.boot === name.boot;
}

/** Ends a process at once, and waits until it has ended. Nothing when it had already. Says whether it has. */
export async function endProcess(
  name: ProcessName,
  withinMilliseconds: number = END_MILLISECONDS,
): Promise<boolean> {
  if (!(await isAlive(name))) return true;
  try {
    process.kill(name.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it ended just now
  }
  return await waitUntil(async () => !(await isAlive(name)), withinMilliseconds);
}

/** Reads what `writeProcessName` wrote; undefined when there is nothing or it is not whole (the machine lost power). */
export async function readProcessName(path: string): Promise<ProcessName | undefined> {
  const bytes = await readIfPresent(path);
  if (!bytes) return undefined;
  try {
    const { pid, started, boot } = JSON.parse(bytes.toString());
    return Number.isSafeInteger(pid) && pid > 1 ? { pid, started, boot } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Readers find all of it or nothing. It need not survive a loss of power: the process does not either. */
export async function writeProcessName(path: string, name: ProcessName): Promise<void> {
  await writeFile(`${path}.unfinished`, JSON.stringify(name));
  await rename(`${path}.unfinished`, path);
}

/** How many files this process may open at most (its hard limit), and so may what it starts. */
export async function openFilesLimit(): Promise<number> {
  const limits = await readFile("/proc/self/limits", "utf8");
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  return hard ? Number(hard) : Number.MAX_SAFE_INTEGER; // "unlimited"
}

/** Asks again until `holds`, for at most `withinMilliseconds`; the answer is whether it came to hold. */
export async function waitUntil(
  holds: () => Promise<boolean>,
  withinMilliseconds: number,
  longestPause = 100,
): Promise<boolean> {
  const deadline = performance.now() + withinMilliseconds;
  for (
    let milliseconds = 5;
    performance.now() < deadline;
    milliseconds = Math.min(2 * milliseconds, longestPause)
  ) {
    if (await holds()) return true;
    await pause(milliseconds);
  }
  return holds();
}

async function readStat(pid: number): Promise<{ started: string } | undefined> {
  const text = await readProc(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, started] = [fields?.[0], fields?.[19]];
  if (!state || !started || state === "Z" || state === "X") return undefined;
  return { started };
}

async function bootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}

/** A file about a process; undefined when it has ended. */
export async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}
