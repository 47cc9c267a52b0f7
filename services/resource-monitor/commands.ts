import type { Command } from "commander";
import { commandOf, runCommandLine, type ServiceTerminal } from "#shared/runtime/command-line.ts";
import { runService } from "#shared/runtime/lifecycle.ts";
import { loadMonitorConfig } from "./config.ts";
import { startMonitor } from "./service.ts";

/** Runs one `slicelab resource-monitor` command and gives its exit code: 0 ok, 1 error, 2 usage. A start that fails sets 1. */
export function runMonitor(argv: readonly string[], terminal: ServiceTerminal): Promise<number> {
  return runCommandLine(monitorCommand(terminal), argv, terminal);
}

/** `slicelab resource-monitor` with all its commands. */
export function monitorCommand(terminal: ServiceTerminal): Command {
  const { env, clock } = terminal;
  const command = commandOf(
    "resource-monitor",
    "Tells how a node is, and who else is alive, as Ganglia does.",
    terminal,
  );
  command
    .command("serve")
    .description("serve until interrupted")
    .option("--config <file>", "a TOML file; the environment's SLICELAB_RESOURCE_MONITOR_… win over it")
    .action(async ({ config }: { config?: string }) => {
      await runService("resource-monitor", ({ log }) =>
        startMonitor(loadMonitorConfig(config, env), { clock, log }),
      );
    });
  return command;
}
