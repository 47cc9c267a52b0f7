import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { text } from "node:stream/consumers";
import { OperatorError } from "#shared/model/errors.ts";

/** The machine's own OpenSSH: its programs are run as they are, with the files that say how slivers are reached. */
export type OpenSsh = "ssh" | "scp";

/** Runs a program of OpenSSH on this terminal until it ends; the answer is its exit code. */
export async function runOnTerminal(
  program: OpenSsh,
  args: readonly string[],
  stop: AbortSignal,
): Promise<number> {
  const child = spawn(program, args, { stdio: "inherit" });
  const end = () => child.kill("SIGTERM");
  stop.addEventListener("abort", end, { once: true });
  try {
    return await exitCode(child, program);
  } finally {
    stop.removeEventListener("abort", end);
  }
}

/** Runs it without a terminal; what it says of a failure comes with the exit code. */
export async function runQuietly(
  program: OpenSsh,
  args: readonly string[],
  stop: AbortSignal,
): Promise<{ readonly code: number; readonly complaint: string }> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const end = () => child.kill("SIGTERM");
  stop.addEventListener("abort", end, { once: true });
  try {
    const [code, complaint] = await Promise.all([exitCode(child, program), text(child.stderr)]);
    return { code, complaint };
  } finally {
    stop.removeEventListener("abort", end);
  }
}

async function exitCode(child: ReturnType<typeof spawn>, program: OpenSsh): Promise<number> {
  try {
    const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    return signal ? 128 + constants.signals[signal] : (code ?? 1);
  } catch (cause) {
    throw new OperatorError(
      `${program} could not be run; install OpenSSH's client (on Debian: openssh-client)`,
      {
        cause,
      },
    );
  }
}
