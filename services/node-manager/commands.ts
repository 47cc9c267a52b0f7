import { Command, CommanderError } from "commander";
import { loadIdentity } from "#shared/identity/identity.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import { ConfigError } from "#shared/runtime/config.ts";
import { runService } from "#shared/runtime/lifecycle.ts";
import { loadNodeManagerConfig, type NodeManagerConfig } from "./config.ts";
import { openEngines } from "./engines/engine-opening.ts";
import { closeEngines, type Engines } from "./engines/engines.ts";
import { openNodeStore, startNodeManager } from "./service.ts";

/** What a command speaks to. */
export type Terminal = {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
};

const OK = 0;
const ERROR = 1;
const USAGE = 2;

/** Runs one `slicelab node-manager` command. Gives its exit code, or nothing where the service sets it itself. */
export async function runNodeManager(
  argv: readonly string[],
  terminal: Terminal,
): Promise<number | undefined> {
  try {
    await nodeManagerCommand(terminal).parseAsync(argv, { from: "user" });
    return undefined;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? OK : USAGE;
    terminal.err(`slicelab node-manager: ${sentenceOf(error)}\n`);
    return ERROR;
  }
}

/** What an operator is told. A defect of ours is thrown on instead, with its stack. */
function sentenceOf(error: unknown): string {
  const told = error instanceof Fault || error instanceof OperatorError || error instanceof ConfigError;
  if (told || (error instanceof Error && "syscall" in error)) return error.message;
  throw error;
}

function nodeManagerCommand(terminal: Terminal): Command {
  const command = new Command("slicelab node-manager")
    .description("The part that runs on every node: it turns tickets into leases and virtual machines.")
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err });
  const add = (name: string, description: string, action: (config: NodeManagerConfig) => Promise<void>) =>
    command
      .command(name)
      .description(description)
      .requiredOption("--config <file>", "the node's configuration, in TOML")
      .action((options: { config: string }) =>
        action(loadNodeManagerConfig({ file: options.config, env: terminal.env })),
      );
  add("serve", "serve until asked to stop; slivers run on without it", (config) =>
    runService("node-manager", (host) => startNodeManager(config, host)),
  );
  add("stop-slivers", "stop every sliver and keep its disk, while no node manager serves", async (config) => {
    const stopped = await stopSlivers(config);
    terminal.out(`${stopped} slivers stopped; their disks are kept\n`);
  });
  add(
    "disown-roots",
    "after restoring the store from a copy: stand by no root ticket signed so far and destroy no unknown machine",
    async (config) => terminal.out(`${await disownRoots(config)} root tickets disowned\n`),
  );
  return command;
}

/**
 * Ends the processes of every sliver of the node and keeps its disk, for when its machine is put to rest. Gives their
 * number. `engines` are those of the configuration unless given. Throws OperatorError while a node manager serves.
 */
export async function stopSlivers(config: NodeManagerConfig, engines?: Engines): Promise<number> {
  const identity = await loadIdentity(config.identity);
  const clock = systemClock();
  using store = await openNodeStore(config, { identity, clock, fail: rethrow });
  let stopped = 0;
  const opened = engines ?? (await openEngines(config, { identity, clock, store }));
  for (const backend of opened) {
    for (const { id } of await backend.list()) {
      await backend.stop(id);
      stopped += 1;
    }
  }
  await closeEngines(opened);
  return stopped;
}

/** What a node does after its store was restored (RELIABILITY.md, Order of writing). Gives the number disowned. */
export async function disownRoots(config: NodeManagerConfig): Promise<number> {
  const identity = await loadIdentity(config.identity);
  const clock = systemClock();
  using store = await openNodeStore(config, { identity, clock, fail: rethrow });
  const now = clock.now();
  return store.transaction((tx) => {
    store.markRestored(tx, now);
    const disowned = store.roots.disownAll(tx, now);
    const at = { atMilliseconds: clock.milliseconds(), peer: "node" as const, outcome: "done" };
    store.audit.record(tx, { ...at, action: "roots disowned", note: String(disowned) });
    return disowned;
  });
}

function rethrow(error: unknown): never {
  throw error;
}
