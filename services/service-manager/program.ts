import type { Command } from "commander";
import { programOf, runCommandLine } from "#shared/runtime/command-line.ts";
import { addAdopt } from "./commands/adopt.ts";
import { addCompletion } from "./commands/completion.ts";
import { addCreate } from "./commands/create.ts";
import { addDelete } from "./commands/delete.ts";
import { addExec } from "./commands/exec.ts";
import type { Tools } from "./commands/invocation.ts";
import { addJoin } from "./commands/join.ts";
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
import { EXIT } from "./terminal/exit-code.ts";
import { tellingOf } from "./terminal/telling.ts";

const AFTER = `
A slice is a network of virtual machines (slivers) on nodes of different owners, for a time.

  slice join INVITATION                  first of all: your key, certificate and configuration
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
  slice adopt web                        take over a slice you are a member of, on another machine

Exit codes: 0 ok, 1 error, 2 usage, 3 partial (run it again to finish), 4 not allowed, 5 not found,
6 no capacity, 124 timeout, 130 interrupted. Slices are kept in $SLICELAB_HOME, or else in ~/.slicelab.`;

/** Runs one `slice` command line; tells `tools.finish` what the process ends with, whatever happens. */
export async function runSlice(argv: readonly string[], tools: Tools): Promise<void> {
  const code = await runCommandLine(sliceCommand(tools), argv, tools.terminal, tellingOf("slice"));
  if (code !== EXIT.ok) tools.finish(code); // else the command has told it, if there was one
}

/** `slice` with all its commands. */
export function sliceCommand(tools: Tools): Command {
  const does = "Creates slices, runs programs in them, renews and deletes them.";
  const program = programOf("slice", does, tools.terminal)
    .addHelpText("after", AFTER)
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
  addAdopt(program, tools);
  addJoin(program, tools);
  addKeyCommands(program, tools);
  addNodeCommands(program, tools);
  addTicketCommands(program, tools);
  addCompletion(program, tools);
  return program;
}

/** Prose whose lines end where the terminal's do: breaks stay only around blank and indented lines. */
function flowing(description: string): string {
  return description.replace(/(?<=\S)\n(?=\S)/g, " ");
}
