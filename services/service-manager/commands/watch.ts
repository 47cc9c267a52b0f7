import type { Command } from "commander";
import { formatInstant } from "#shared/model/time.ts";
import { printable, printableStrings } from "#shared/runtime/printable.ts";
import { EXIT, type ExitCode, Interrupted } from "../terminal/exit-code.ts";
import { readDuration } from "../terminal/quantity.ts";
import type { Happening } from "../watching/happenings.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";
import { tellSsh } from "./ssh-notice.ts";

type WatchOptions = { readonly repair?: boolean; readonly every: string };

export function addWatch(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("watch"))
    .summary("tell what changes in a slice, and renew its leases before they end")
    .description(
      "Looks at every sliver of a slice again and again, and prints a line for each change (-o json: an object a line).\n" +
        "Leases are renewed, all to the same end, when half their length is left; what will end otherwise (a holding, your\n" +
        "certificate) is told in time. Ctrl-C ends it.",
    )
    .argument("<slice>", "its name")
    .option(
      "--repair",
      "also replace nodes that were lost at two looks, and fill a slice that is short of nodes",
    )
    .option("--every <duration>", "how long from one look to the next", "30s")
    .action(async (name: string, options: WatchOptions & CommonOptions) => {
      await invoke(tools, options, (invocation) => watch(name, options, invocation, tools.terminal.clock));
    });
}

async function watch(
  name: string,
  { repair, every }: WatchOptions,
  invocation: Invocation,
  clock: Tools["terminal"]["clock"],
): Promise<ExitCode> {
  const [{ watchSlice }, { existingSlice }, { setTimeout: pause }] = await Promise.all([
    import("../watching/watch.ts"),
    import("../journal/slice-state.ts"),
    import("node:timers/promises"),
  ]);
  const { home, effort } = invocation;
  const seconds = readDuration(every);
  const { leases } = await existingSlice(home, name);
  invocation.say(`watching ${leases.size} slivers of slice ${name}; Ctrl-C ends it`);
  try {
    await watchSlice({
      ...{ home, name, clock, effort },
      every: seconds,
      repair: repair === true,
      pause: (seconds) => pause(seconds * 1000, undefined, { signal: effort.signal }),
      openNetwork: () => invocation.network(),
      tell: async (happening) => await invocation.write(lineOf(happening, invocation.format)),
      warn: (sentence) => invocation.warn(`${formatInstant(clock.now())} ${sentence}`),
      changed: async (state) => await tellSsh(invocation, state),
    });
  } catch (error) {
    const { signal } = effort;
    if (!signal.aborted) throw error;
    // Ctrl-C is how one stops watching: nothing is unfinished, and nothing needs saying.
    if (!(signal.reason instanceof Interrupted)) throw signal.reason;
    return EXIT.ok;
  }
  invocation.say(`slice ${name} was deleted`);
  return EXIT.ok;
}

function lineOf({ at, node, ip, event, sentence }: Happening, format: Invocation["format"]): string {
  const time = formatInstant(at);
  if (format === "json") return `${printableStrings(JSON.stringify({ time, node, ip, event, sentence }))}\n`;
  return `${printable(`${time} ${ip ?? "-"} ${event}: ${sentence}`)}\n`;
}
