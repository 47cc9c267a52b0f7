import { Command, CommanderError } from "commander";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { printable } from "#shared/runtime/printable.ts";
import { addCreate } from "./commands/create.ts";
import { addDelete } from "./commands/delete.ts";
import { addExec } from "./commands/exec.ts";
import type { Tools } from "./commands/invocation.ts";
import { addKeyCommands } from "./commands/key.ts";
import { addLaunch } from "./commands/launch.ts";
import { addList } from "./commands/list.ts";
import { addLogs } from "./commands/logs.ts";
import { addNodeCommands } from "./commands/node.ts";
import { addPlan } from "./commands/plan.ts";
import { addPs } from "./commands/ps.ts";
import { addRenew } from "./commands/renew.ts";
import { addRepair } from "./commands/repair.ts";
import { addScp } from "./commands/scp.ts";
import { addSsh } from "./commands/ssh.ts";
import { addStatus } from "./commands/status.ts";
import { addStop } from "./commands/stop.ts";
import { addTicketCommands } from "./commands/ticket.ts";
import { addWatch } from "./commands/watch.ts";
import { EXIT, exitCodeOf, Interrupted, UsageError } from "./terminal/exit-code.ts";

const AFTER = `
A slice is a network of virtual machines (slivers) on nodes of different owners, for a time.

  slice node list                        what there is
  slice plan oceanstore.xml              which nodes a description would get, and why not others
  slice create oceanstore.xml            tickets, slivers, the program started in each
  slice create web --nodes 3 --lease 1d  the same without a description
  slice exec web -- uptime               a command in every sliver
  slice launch web --file run.sh -- ./run.sh   a program kept running in every sliver
  slice logs web -f                      what it says; slice ps web, slice stop web
  slice ssh web                          a shell in one; slice scp web data.tgz : copies into every one
  slice renew web
  slice repair web                       others in the place of nodes that failed
  slice watch web --repair               says what changes, renews, repairs
  slice delete web

Exit codes: 0 ok, 1 error, 2 usage, 3 partial (run it again to finish), 4 not allowed, 5 not found,
6 no capacity, 124 timeout, 130 interrupted. Slices are kept in $SLICELAB_HOME, or else in ~/.slicelab.`;

/** Runs one `slice` command line; tells `tools.finish` what the process ends with, whatever happens. */
export async function runCommandLine(argv: readonly string[], tools: Tools): Promise<void> {
  try {
    await commandTree(tools).parseAsync(argv, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) tools.finish(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
    else {
      tools.terminal.err(`slice: ${sentenceOf(error)}\n`);
      tools.finish(exitCodeOf(error));
    }
  }
}

function commandTree(tools: Tools): Command {
  const { out, err } = tools.terminal;
  const program = new Command("slice")
    .description("Creates slices, runs programs in them, renews and deletes them.")
    .addHelpText("after", AFTER)
    .exitOverride()
    .configureOutput({ writeOut: (text) => void out(text), writeErr: err })
    .showHelpAfterError("(slice --help says what there is)")
    .configureHelp({
      sortSubcommands: false,
      commandDescription: (command) => flowing(command.description()),
    });
  addCreate(program, tools);
  addPlan(program, tools);
  addList(program, tools);
  addStatus(program, tools);
  addExec(program, tools);
  addLaunch(program, tools);
  addLogs(program, tools);
  addPs(program, tools);
  addStop(program, tools);
  addSsh(program, tools);
  addScp(program, tools);
  addRenew(program, tools);
  addRepair(program, tools);
  addWatch(program, tools);
  addDelete(program, tools);
  addKeyCommands(program, tools);
  addNodeCommands(program, tools);
  addTicketCommands(program, tools);
  return program;
}

/** Prose whose lines end where the terminal's do: breaks stay only around blank and indented lines. */
function flowing(description: string): string {
  return description.replace(/(?<=\S)\n(?=\S)/g, " ");
}

/** What a person is told. A defect of ours is told with its stack. */
function sentenceOf(error: unknown): string {
  if (error instanceof OperatorError) return error.message; // its lines are its own
  if (error instanceof UsageError) return `${printable(error.message)} (slice --help)`;
  const expected = error instanceof Fault || error instanceof Interrupted || isNamed(error);
  if (expected || (error instanceof Error && "syscall" in error)) return printable((error as Error).message);
  return (error as Error)?.stack ?? String(error);
}

/** Errors of parts that are loaded only where they are used, so that `slice --help` need not load them. */
function isNamed(error: unknown): boolean {
  return error instanceof Error && ["TransportError", "ForeignFault", "ConfigError"].includes(error.name);
}
