import { Command, CommanderError } from "commander";
import type { Clock } from "#shared/runtime/clock.ts";
import { runService } from "#shared/runtime/lifecycle.ts";
import { loadBrokerConfig } from "./config.ts";
import { startBroker } from "./service.ts";

/** What a command speaks to: data goes to `out`, everything else to `err`. */
export type Terminal = {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
};

const OK = 0;
const USAGE = 2;

/** Runs one `slicelab broker` command and returns its exit code: 0 ok, 2 usage. A start that fails sets 1. */
export async function runBroker(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await brokerCommand(terminal).parseAsync(argv, { from: "user" });
    return OK;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? OK : USAGE;
    throw error;
  }
}

function brokerCommand({ out, err, env, clock }: Terminal): Command {
  const command = new Command("slicelab broker")
    .description("Finds nodes for slices and gathers the tickets that principals sign for.")
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err });
  command
    .command("serve")
    .description("serve until interrupted")
    .option("--config <file>", "a TOML file; the environment's SLICELAB_BROKER_… win over it")
    .action(async ({ config }: { config?: string }) => {
      await runService("broker", ({ log }) => startBroker(loadBrokerConfig(config, env), { clock, log }));
    });
  return command;
}
