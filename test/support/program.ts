import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

export type ProgramOptions = {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to its standard input, which is then closed, unless `keepInputOpen`. */
  readonly input?: string;
  /** For programs that leave as soon as their input ends. */
  readonly keepInputOpen?: boolean;
};

export type ProgramResult = { readonly code: number | null; readonly out: string; readonly err: string };

const TIME_LIMIT_MS = 120_000;

/** Runs a program outside this process to its end. A program that doesn't end in two minutes is killed (code null). */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    timeout: TIME_LIMIT_MS,
    killSignal: "SIGKILL",
  });
  const closed = new Promise<number | null>((resolve, reject) =>
    child.on("close", resolve).on("error", reject),
  );
  child.stdin.on("error", () => {}); // it may end without reading everything; its exit code tells
  child.stdin.write(options.input ?? "");
  if (!options.keepInputOpen) child.stdin.end();
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { code, out, err };
}

/** The same for a program that has to succeed: its standard output. */
export async function runToSuccess(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const { code, out, err } = await runProgram(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}: ${err}${out}`);
  return out;
}
