import { Command, CommanderError } from "commander";
import type { Clock } from "#shared/runtime/clock.ts";
import { runService } from "#shared/runtime/lifecycle.ts";
import { loadMonitorConfig } from "./config.ts";
import { startMonitor } from "./service.ts";

/** What a command speaks to: data goes to `out`, everything else to `err`. */
export type Terminal = {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
};

const OK = 0;
const USAGE = 2;

/** Runs one `slicelab resource-monitor` command and returns its exit code: 0 ok, 2 usage. A start that fails sets 1. */
export async function runMonitor(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await monitorCommand(terminal).parseAsync(argv, { from: "user" });
    return OK;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? OK : USAGE;
    throw error;
  }
}

function monitorCommand({ out, err, env, clock }: Terminal): Command {
  const command = new Command("slicelab resource-monitor")
    .description("Tells how a node is, and who else is alive, as Ganglia does.")
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err });
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
