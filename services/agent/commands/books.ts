import type { Command } from "commander";
import type { Database } from "#shared/runtime/database.ts";
import type { Office } from "../registry/office.ts";
import type { Registry } from "../registry/registry.ts";

/** What local commands work on: the agent's own database, whether the agent runs or not. */
export type Books = { readonly database: Database; readonly registry: Registry; readonly office: Office };

/** Which books: those of a configuration, or of the database named by --database or DATABASE_URL. */
export type BooksOptions = { readonly config?: string; readonly database?: string };

/** Opens the books for one command and closes them after it. */
export type WithBooks = (options: BooksOptions, work: (books: Books) => Promise<void>) => Promise<void>;

/** Adds what every local command takes: which agent's books it works on. */
export function onBooks(command: Command): Command {
  return command
    .option("--config <file>", "the agent's configuration")
    .option("--database <url>", "the agent's database (default: DATABASE_URL)");
}

/** Adds what a command takes that also signs or calls in the agent's name. */
export function onConfig(command: Command): Command {
  return command.requiredOption("--config <file>", "the agent's configuration");
}
