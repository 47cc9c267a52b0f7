import { type StdioOptions, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { Fault } from "#shared/model/errors.ts";

const PATIENCE_MILLISECONDS = 60_000;

/** The whole environment of every program the engine runs: nothing of the node manager's own reaches a sliver. */
export const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C",
} as const;

/** What a program said before it ended with another code than 0: the cause inside a fault, never shown to a caller. */
export class ProgramFailure extends Error {
  readonly code: number | null;
  readonly stderr: string;

  constructor(argv: readonly string[], code: number | null, stderr: string) {
    super(`${argv.slice(0, 3).join(" ")} ended with ${code ?? "a signal"}: ${stderr.slice(0, 2000)}`);
    this.code = code;
    this.stderr = stderr;
  }
}

export type ProgramOptions = {
  /** What its standard input reads. */
  readonly input?: string;
  /** True for programs whose children live on: these get no pipe of ours, and their failure says nothing here. */
  readonly detachedOutput?: boolean;
  readonly patienceMilliseconds?: number;
};

/**
 * Runs a program of the machine to its end and returns what it wrote to stdout. `argv` goes to exec as it is: no shell
 * reads it. Throws BACKEND_FAILED saying that the engine could not `purpose`, with a `ProgramFailure` as its cause.
 */
export async function runProgram(
  purpose: string,
  argv: readonly [string, ...string[]],
  options: ProgramOptions = {},
): Promise<string> {
  const [file, ...rest] = argv;
  const stdio: StdioOptions = options.detachedOutput ? "ignore" : "pipe";
  const signal = AbortSignal.timeout(options.patienceMilliseconds ?? PATIENCE_MILLISECONDS);
  const child = spawn(file, rest, { env: ENVIRONMENT, stdio, signal, killSignal: "SIGKILL" });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  // A program may end without reading its input; that it failed is then told by its code.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.input ?? "");
  try {
    const [code, stdout, stderr] = await Promise.all([
      ended,
      child.stdout ? text(child.stdout) : "",
      child.stderr ? text(child.stderr) : "",
    ]);
    if (code !== 0) throw new ProgramFailure(argv, code, stderr);
    return stdout;
  } catch (cause) {
    throw new Fault("BACKEND_FAILED", `the container engine could not ${purpose}; try again`, { cause });
  }
}

/** Whether a program failed by itself, rather than being missing or too slow: its cause, or undefined. */
export function programFailure(error: unknown): ProgramFailure | undefined {
  const cause = error instanceof Fault ? error.cause : undefined;
  return cause instanceof ProgramFailure ? cause : undefined;
}
