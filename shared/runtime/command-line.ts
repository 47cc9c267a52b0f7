import { Command, CommanderError } from "commander";
import { Fault, OperatorError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";
import { printableLines } from "./printable.ts";

/** What a command speaks to: data goes to `out`, everything else to `err`. */
export type Terminal = {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
};

/** What a service's commands are given besides. */
export type ServiceTerminal = Terminal & {
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
};

const OK = 0;
const ERROR = 1;
const USAGE = 2;

/** How a program of ours tells what went wrong, and what it ends with then, where that is not as `runCommandLine` says. */
export type Telling = {
  /** What a person is told. Throws what is none of their business. */
  readonly sentence?: (error: unknown) => string;
  readonly exitCode?: (error: unknown) => number;
};

/** The command that those of a part hang on. It writes to the terminal, and throws instead of ending the process. */
export function commandOf(part: string, description: string, terminal: Terminal): Command {
  return programOf(`slicelab ${part}`, description, terminal);
}

/** The same for a program of any name. */
export function programOf(name: string, description: string, { out, err }: Terminal): Command {
  return new Command(name)
    .description(description)
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err });
}

/**
 * Runs one command line and gives its exit code: 0 ok, 1 error, 2 usage. What an operator can mend is told in a
 * sentence; a defect of ours is thrown on instead, with its stack, unless `telling` does otherwise.
 */
export async function runCommandLine(
  command: Command,
  argv: readonly string[],
  { err }: Terminal,
  { sentence = sentenceOf, exitCode = () => ERROR }: Telling = {},
): Promise<number> {
  try {
    await command.parseAsync(argv, { from: "user" });
    return OK;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? OK : USAGE;
    err(`${command.name()}: ${printableLines(sentence(error))}\n`);
    return exitCode(error);
  }
}

/** What an operator is told. Throws what is none of an operator's business. */
export function sentenceOf(error: unknown): string {
  const told = error instanceof Fault || error instanceof OperatorError;
  if (told || (error instanceof Error && "syscall" in error)) return error.message;
  throw error;
}
