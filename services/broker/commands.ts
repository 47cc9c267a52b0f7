import type { Command } from "commander";
import { commandOf, runCommandLine, type ServiceTerminal } from "#shared/runtime/command-line.ts";
import { runService } from "#shared/runtime/lifecycle.ts";
import { loadBrokerConfig } from "./config.ts";
import { addJoin } from "./join-command.ts";
import { startBroker } from "./service.ts";

/** Runs one `slicelab broker` command and gives its exit code: 0 ok, 1 error, 2 usage. A start that fails sets 1. */
export function runBroker(argv: readonly string[], terminal: ServiceTerminal): Promise<number> {
  return runCommandLine(brokerCommand(terminal), argv, terminal);
}

/** `slicelab broker` with all its commands. */
export function brokerCommand(terminal: ServiceTerminal): Command {
  const { env, clock } = terminal;
  const command = commandOf(
    "broker",
    "Finds nodes for slices and gathers the tickets that principals sign for.",
    terminal,
  );
  command
    .command("serve")
    .description("serve until interrupted")
    .option("--config <file>", "a TOML file; the environment's SLICELAB_BROKER_… win over it")
    .action(async ({ config }: { config?: string }) => {
      await runService("broker", ({ log }) => startBroker(loadBrokerConfig(config, env), { clock, log }));
    });
  addJoin(command, terminal);
  return command;
}
