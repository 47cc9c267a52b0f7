import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A moment in a process's life: just before it makes a system call for the `when`th time, counted from 1. */
export type Moment = {
  readonly call: string;
  readonly when: number;
  /** Only calls on these files count. */
  readonly paths?: readonly string[];
};

/** Why nothing can be killed at a moment here; false when it can. */
export const withoutStrace: string | false =
  spawnSync("strace", ["-o", "/dev/null", "true"]).status !== 0 && "strace is not here, or may not trace";

/** Somebody who watches a process and kills it at a moment. When disposed of it is left alone. */
export type Watch = AsyncDisposable & {
  /** Settles when the process is killed; or, when it isn't, with the watch. */
  readonly ended: Promise<unknown>;
};

/** Watches the main thread of a process; resolves when it does. */
export async function killAt(pid: number, moment: Moment): Promise<Watch> {
  const child = spawn("strace", ["-p", String(pid), "-o", "/dev/null", ...injection(moment)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "exit");
  await attached(child, pid);
  return {
    ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGINT");
      await ended;
    },
  };
}

async function attached(child: ChildProcess, pid: number): Promise<void> {
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stderr! })) {
    said.push(line);
    if (line.includes("attached")) {
      child.stderr!.resume();
      return;
    }
  }
  throw new Error(`strace could not watch process ${pid}: ${said.join("\n")}`);
}

function injection({ call, when, paths = [] }: Moment): string[] {
  const only = paths.flatMap((path) => ["-P", path]);
  return [...only, "-e", `trace=${call}`, "-e", `inject=${call}:signal=KILL:when=${when}`];
}
