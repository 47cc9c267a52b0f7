import type { Command } from "commander";
import { commandOf, runCommandLine } from "#shared/runtime/command-line.ts";
import { homeDirectory } from "../home.ts";
import { tellingOf } from "../terminal/telling.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { addAllowances } from "./allowances.ts";
import { addAudit } from "./audit.ts";
import { deskOf } from "./desk.ts";
import { addFleet } from "./fleet.ts";
import { addNewcomers } from "./newcomers.ts";
import { addPeople } from "./people.ts";
import { addRevocation } from "./revocation.ts";

const AFTER = `
Who you are and which agent is meant is in config.toml in $SLICELAB_HOME, or else in ~/.slicelab: the file that
slice reads. You have to be a principal of the role administrator; the first one is invited on the agent's own
machine, with slicelab agent invitation create.

Exit codes, as of slice: 0 ok, 1 error, 2 usage, 4 not allowed, 5 not found, 124 timeout.`;

/** Runs one `slicelab admin` command line and returns what the process ends with. */
export async function runAdministration(argv: readonly string[], terminal: Terminal): Promise<number> {
  return await runCommandLine(administrationCommand(terminal), argv, terminal, tellingOf("slicelab admin"));
}

/** `slicelab admin` with all its commands. */
export function administrationCommand(terminal: Terminal): Command {
  const atDesk = deskOf(homeDirectory(terminal.env), terminal);
  const does = "Administers an agent: who is known, what each may have, which nodes are accepted.";
  const program = commandOf("admin", does, terminal).addHelpText("after", AFTER);
  addPeople(program, atDesk);
  addNewcomers(program, atDesk);
  addAllowances(program, atDesk);
  addFleet(program, atDesk);
  addRevocation(program, atDesk);
  addAudit(program, atDesk);
  return program;
}
