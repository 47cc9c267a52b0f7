import { Fault, OperatorError } from "#shared/model/errors.ts";
import type { Telling } from "#shared/runtime/command-line.ts";
import { printable } from "#shared/runtime/printable.ts";
import { exitCodeOf, Interrupted, UsageError } from "./exit-code.ts";

/** How the programs of people, `program` among them, tell what went wrong. A defect of ours is told with its stack. */
export function tellingOf(program: string): Telling {
  return {
    exitCode: exitCodeOf,
    sentence(error) {
      if (error instanceof OperatorError) return error.message; // its lines are its own
      if (error instanceof UsageError) return `${printable(error.message)} (${program} --help)`;
      const expected = error instanceof Fault || error instanceof Interrupted || isNamed(error);
      if (expected || (error instanceof Error && "syscall" in error))
        return printable((error as Error).message);
      return (error as Error)?.stack ?? String(error);
    },
  };
}

/** Errors of parts that are loaded only where they are used, so that `slice --help` need not load them. */
function isNamed(error: unknown): boolean {
  return error instanceof Error && ["TransportError", "ForeignFault"].includes(error.name);
}
