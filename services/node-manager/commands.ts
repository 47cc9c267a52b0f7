import type { Command } from "commander";
import { loadIdentity } from "#shared/identity/identity.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import { commandOf, runCommandLine, type ServiceTerminal } from "#shared/runtime/command-line.ts";
import { runService } from "#shared/runtime/lifecycle.ts";
import { loadNodeManagerConfig, type NodeManagerConfig } from "./config.ts";
import { openEngines } from "./engines/engine-opening.ts";
import { closeEngines, type Engines } from "./engines/engines.ts";
import { addJoin } from "./join-command.ts";
import { openNodeStore } from "./node-store.ts";
import { startNodeManager } from "./service.ts";

type NodeTerminal = Pick<ServiceTerminal, "out" | "err" | "env">;

/** Runs one `slicelab node-manager` command and gives its exit code: 0 ok, 1 error, 2 usage. A start that fails sets 1. */
export function runNodeManager(argv: readonly string[], terminal: NodeTerminal): Promise<number> {
  return runCommandLine(nodeManagerCommand(terminal), argv, terminal);
}

/** `slicelab node-manager` with all its commands. */
export function nodeManagerCommand(terminal: NodeTerminal): Command {
  const command = commandOf(
    "node-manager",
    "The part that runs on every node: it turns tickets into leases and virtual machines.",
    terminal,
  );
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
  addJoin(command, terminal);
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

/** The image that is made of what is on the machine: whoever stops slivers needs none, and is not to wait for others. */
const ALWAYS_THERE = "busybox";

/**
 * Ends the processes of every sliver of the node and keeps its disk, for when its machine is put to rest. Gives their
 * number. `engines` are those of the configuration unless given. Throws OperatorError while a node manager serves.
 */
export async function stopSlivers(config: NodeManagerConfig, engines?: Engines): Promise<number> {
  const identity = await loadIdentity(config.identity);
  const clock = systemClock();
  using store = await openNodeStore(config, { identity, clock, fail: rethrow });
  let stopped = 0;
  const opened =
    engines ?? (await openEngines({ ...config, images: [ALWAYS_THERE] }, { identity, clock, store }));
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
