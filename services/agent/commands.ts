import { Command, CommanderError } from "commander";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import { ConfigError } from "#shared/runtime/config.ts";
import type { Database } from "#shared/runtime/database.ts";
import { runService } from "#shared/runtime/lifecycle.ts";
import { migrate } from "#shared/runtime/migrations.ts";
import { addHoldingCommands } from "./commands/holding.ts";
import { addListCommands } from "./commands/list.ts";
import { addRegistryCommands } from "./commands/registry.ts";
import { loadAgentConfig } from "./config.ts";
import { Registry } from "./registry/registry.ts";
import { openAgentDatabase, SCHEMA, startAgent } from "./service.ts";

/** What a command speaks to: data goes to `out`, everything else to `err`. */
export type Terminal = {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
};

/** What local commands work on: the agent's own database, whether the agent runs or not. */
export type Books = { readonly database: Database; readonly registry: Registry };

/** Which books: those of a configuration, or of the database named by --database or DATABASE_URL. */
export type BooksOptions = { readonly config?: string; readonly database?: string };

/** Opens the books for one command and closes them after it. */
export type WithBooks = (options: BooksOptions, work: (books: Books) => Promise<void>) => Promise<void>;

const OK = 0;
const ERROR = 1;
const USAGE = 2;

/** Runs one `slicelab agent` command and returns its exit code: 0 ok, 1 error, 2 usage. */
export async function runAgent(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await agentCommand(terminal).parseAsync(argv, { from: "user" });
    return OK;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? OK : USAGE;
    terminal.err(`slicelab agent: ${sentenceOf(error)}\n`);
    return ERROR;
  }
}

/** What an operator is told. A defect of ours is thrown on instead, with its stack. */
function sentenceOf(error: unknown): string {
  if (error instanceof Fault || error instanceof OperatorError || error instanceof ConfigError)
    return error.message;
  if (error instanceof Error && "syscall" in error) return error.message;
  throw error;
}

function agentCommand(terminal: Terminal): Command {
  const command = new Command("slicelab agent")
    .description("Holds what nodes give it, advertises it, and splits it into tickets.")
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err });
  const withBooks: WithBooks = async (options, work) => {
    const url = databaseUrl(options, terminal.env);
    await migrate(url, SCHEMA);
    await using database = openAgentDatabase(url);
    await work({ database, registry: new Registry(database, terminal.clock) });
  };
  addServe(command, terminal);
  addRegistryCommands(command, withBooks, terminal);
  addHoldingCommands(command, withBooks, terminal);
  addListCommands(command, withBooks, terminal);
  return command;
}

function addServe(parent: Command, { env, clock }: Terminal): void {
  parent
    .command("serve")
    .description("serve until interrupted")
    .option("--config <file>", "a TOML file; the environment's SLICELAB_AGENT_… win over it")
    .action(async ({ config }: { config?: string }) => {
      await runService("agent", ({ log }) => startAgent(loadAgentConfig(config, env), { clock, log }));
    });
}

function databaseUrl({ config, database }: BooksOptions, env: NodeJS.ProcessEnv): string {
  const url = database ?? (config === undefined ? env.DATABASE_URL : loadAgentConfig(config, env).database);
  if (url) return url;
  throw new OperatorError(
    "say which agent: --config with its configuration, or --database with its database's URL",
  );
}
