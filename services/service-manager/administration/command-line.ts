import { Command, CommanderError } from "commander";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { printable } from "#shared/runtime/printable.ts";
import { homeDirectory } from "../home.ts";
import { EXIT, exitCodeOf, UsageError } from "../terminal/exit-code.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { addAllowances } from "./allowances.ts";
import { addAudit } from "./audit.ts";
import { type AtDesk, deskOf } from "./desk.ts";
import { addFleet } from "./fleet.ts";
import { addPeople } from "./people.ts";

const AFTER = `
Who you are and which agent is meant is in config.toml in $SLICELAB_HOME, or else in ~/.slicelab: the file that
slice reads. You have to be a principal of the role administrator; the first one is added on the agent's own
machine, with slicelab agent principal add.

Exit codes, as of slice: 0 ok, 1 error, 2 usage, 4 not allowed, 5 not found, 124 timeout.`;

/** Runs one `slicelab admin` command line and returns what the process ends with. */
export async function runAdministration(argv: readonly string[], terminal: Terminal): Promise<number> {
  const atDesk = deskOf(homeDirectory(terminal.env), terminal);
  try {
    await administrationCommand(terminal, atDesk).parseAsync(argv, { from: "user" });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    terminal.err(`slicelab admin: ${sentenceOf(error)}\n`);
    return exitCodeOf(error);
  }
}

function administrationCommand({ out, err }: Terminal, atDesk: AtDesk): Command {
  const program = new Command("slicelab admin")
    .description("Administers an agent: who is known, what each may have, which nodes are accepted.")
    .addHelpText("after", AFTER)
    .exitOverride()
    .configureOutput({ writeOut: (text) => void out(text), writeErr: err });
  addPeople(program, atDesk);
  addAllowances(program, atDesk);
  addFleet(program, atDesk);
  addAudit(program, atDesk);
  return program;
}

/** What a person is told. A defect of ours is told with its stack. */
function sentenceOf(error: unknown): string {
  if (error instanceof OperatorError) return error.message; // its lines are its own
  if (error instanceof UsageError) return `${printable(error.message)} (slicelab admin --help)`;
  const named = ["TransportError", "ForeignFault", "ConfigError"].includes((error as Error)?.name);
  const expected = error instanceof Fault || named || (error instanceof Error && "syscall" in error);
  return expected ? printable((error as Error).message) : ((error as Error)?.stack ?? String(error));
}
