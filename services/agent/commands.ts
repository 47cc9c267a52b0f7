import type { Command } from "commander";
import { OperatorError } from "#shared/model/errors.ts";
import { commandOf, runCommandLine, type ServiceTerminal } from "#shared/runtime/command-line.ts";
import { runService } from "#shared/runtime/lifecycle.ts";
import { migrate } from "#shared/runtime/migrations.ts";
import { addAuditCommands } from "./commands/audit.ts";
import type { BooksOptions, WithBooks } from "./commands/books.ts";
import { addHoldingCommands } from "./commands/holding.ts";
import { addInvitationCommands } from "./commands/invitation.ts";
import { addListCommands } from "./commands/list.ts";
import { addQuotaCommands } from "./commands/quota.ts";
import { addRegistryCommands } from "./commands/registry.ts";
import { addTicketKeyCommands } from "./commands/ticket-key.ts";
import { loadAgentConfig } from "./config.ts";
import { Office } from "./registry/office.ts";
import { Registry } from "./registry/registry.ts";
import { openAgentDatabase, SCHEMA, startAgent } from "./service.ts";

/** Runs one `slicelab agent` command and gives its exit code: 0 ok, 1 error, 2 usage. */
export function runAgent(argv: readonly string[], terminal: ServiceTerminal): Promise<number> {
  return runCommandLine(agentCommand(terminal), argv, terminal);
}

/** `slicelab agent` with all its commands. */
export function agentCommand(terminal: ServiceTerminal): Command {
  const command = commandOf(
    "agent",
    "Holds what nodes give it, advertises it, and splits it into tickets.",
    terminal,
  );
  const withBooks = booksOf(terminal);
  addServe(command, terminal);
  addRegistryCommands(command, withBooks, terminal);
  addQuotaCommands(command, withBooks);
  addHoldingCommands(command, withBooks, terminal);
  addTicketKeyCommands(command, withBooks, terminal);
  addInvitationCommands(command, withBooks, (file) => loadAgentConfig(file, terminal.env), terminal);
  addListCommands(command, withBooks, terminal);
  addAuditCommands(command, withBooks, terminal);
  return command;
}

function addServe(parent: Command, { env, clock }: ServiceTerminal): void {
  parent
    .command("serve")
    .description("serve until interrupted")
    .option("--config <file>", "a TOML file; the environment's SLICELAB_AGENT_… win over it")
    .action(async ({ config }: { config?: string }) => {
      await runService("agent", ({ log }) => startAgent(loadAgentConfig(config, env), { clock, log }));
    });
}

function booksOf({ env, clock }: Pick<ServiceTerminal, "env" | "clock">): WithBooks {
  return async (options, work) => {
    const url = databaseUrl(options, env);
    await migrate(url, SCHEMA);
    await using database = openAgentDatabase(url);
    await work({ database, registry: new Registry(database, clock), office: new Office(database, clock) });
  };
}

function databaseUrl({ config, database }: BooksOptions, env: NodeJS.ProcessEnv): string {
  const url = database ?? (config === undefined ? env.DATABASE_URL : loadAgentConfig(config, env).database);
  if (url) return url;
  throw new OperatorError(
    "say which agent: --config with its configuration, or --database with its database's URL",
  );
}
