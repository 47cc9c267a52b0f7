import { readdir, readlink } from "node:fs/promises";
import { Fault } from "#shared/model/errors.ts";
import { endProcess, nameProcess, type ProcessName, readProc } from "../machine/process.ts";

/** A first process that nobody holds up has ended by then. */
const SOON_MILLISECONDS = 500;

/**
 * Ends a sliver's first process, and with it all others. The kernel lets it go only when everybody in its process table was
 * asked how it ended, and of commands' processes that is for their runc, outside: one that does not ask, because it is
 * stopped, is ended. Throws BACKEND_FAILED, naming it, where another program has to ask.
 */
export async function endFirstProcess(first: ProcessName): Promise<void> {
  if (await endProcess(first, SOON_MILLISECONDS)) return;
  for (const parent of await outsideParents(first))
    if (parent.program.startsWith("runc")) await endProcess(parent.name);
  if (await endProcess(first)) return;
  const [parent] = await outsideParents(first);
  if (!parent) return; // it is still ending; whoever goes on finds out
  throw new Fault(
    "BACKEND_FAILED",
    `the sliver has ended, but process ${parent.name.pid} (${parent.program}) of this machine has not reaped one of its processes; end that one, or have whatever is process 1 here reap, and try again`,
  );
}

type Parent = { readonly name: ProcessName; readonly program: string };

/** Who, outside of the process table of `first`, has to ask how processes in it ended. */
async function outsideParents(first: ProcessName): Promise<Parent[]> {
  const table = await tableOf(first.pid);
  if (table === undefined) return [];
  const parents = new Map<number, Parent>();
  for (const pid of (await readdir("/proc")).map(Number).filter(Number.isSafeInteger)) {
    if ((await tableOf(pid)) !== table) continue;
    const status = await readStatus(pid);
    if (!status?.ended || (await tableOf(status.parent)) === table) continue;
    const [name, parent] = [await nameProcess(status.parent), await readStatus(status.parent)];
    if (name && parent) parents.set(name.pid, { name, program: parent.program });
  }
  return [...parents.values()];
}

async function readStatus(
  pid: number,
): Promise<{ program: string; ended: boolean; parent: number } | undefined> {
  const text = await readProc(`/proc/${pid}/status`);
  const [, program, state, parent] =
    /^Name:\t(.*)\n[\s\S]*^State:\t(\S)[\s\S]*^PPid:\t(\d+)$/m.exec(text ?? "") ?? [];
  return program === undefined ? undefined : { program, ended: state === "Z", parent: Number(parent) };
}

/**
 * Names its process table (pid namespace), a zombie's, too; undefined when there is no such process, or one that may do what we
 * may not, such as the machine's first where we are in a container: it is none of a sliver's.
 */
async function tableOf(pid: number): Promise<string | undefined> {
  try {
    return await readlink(`/proc/${pid}/ns/pid`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES") return undefined;
    throw error;
  }
}
