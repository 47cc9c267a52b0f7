import { createHash } from "node:crypto";
import type { Program } from "#shared/model/slice-description.ts";
import { printable } from "#shared/runtime/printable.ts";
import type { KeptFile, ProgramCommand } from "../journal/slice-record.ts";
import { shellWord } from "../ssh/shell.ts";

/** Names everything about a program: what is installed in a sliver is this one or another. */
export function programDigest(program: ProgramCommand, files: readonly KeptFile[]): string {
  const { command, args, env, restart } = program;
  return createHash("sha256").update(JSON.stringify({ command, args, env, restart, files })).digest("hex");
}

/** What a sliver's shell runs: it becomes the program. */
export function runScript({ command, args, env }: ProgramCommand): string {
  const exports = env.map(({ name, value }) => `export ${name}=${shellWord(value)}\n`).join("");
  return `${exports}exec ${[command, ...args].map(shellWord).join(" ")}\n`;
}

/** What people are shown of a program, on one line. */
export function programTitle({ command, args }: ProgramCommand): string {
  return printable([command, ...args].map(shellWord).join(" ")).slice(0, LONGEST_TITLE);
}

const LONGEST_TITLE = 200;

/** The program for the words of a command line: one word is a line for the sliver's shell, several are run as they are. */
export function programOf(
  words: readonly string[],
  { env, restart }: Pick<Program, "env" | "restart">,
): ProgramCommand {
  const [command = "", ...args] = words;
  const plain = args.length > 0 || shellWord(command) === command;
  return {
    env,
    restart,
    ...(plain ? { command, args } : { command: "sh", args: ["-c", command] }),
  };
}
