import { styleText } from "node:util";
import type { Command } from "commander";
import type { Lease } from "#shared/model/lease.ts";
import type { Outcome } from "../network/fan-out.ts";
import type { LogEnd, LogSink, LogWish } from "../programs/program-log.ts";
import { EXIT, exitCodeOfMany, Interrupted, UsageError } from "../terminal/exit-code.ts";
import { failureSentence } from "../terminal/failure.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";

type LogsOptions = { readonly name?: string; readonly follow?: boolean; readonly lines: string };

const LINES = "100";
const COLOURS = ["cyan", "yellow", "green", "magenta", "blue", "red"] as const;

export function addLogs(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("logs"))
    .summary("show what a program says, in every sliver at once")
    .description(
      "Shows the last lines a program printed, standard output and errors together. With several slivers every line\n" +
        "begins with its node. -f goes on as they come, also over restarts of the program, its sliver and its node,\n" +
        "until Ctrl-C. A sliver keeps the last 2 to 8 MiB. Ends with 3 when some slivers could not say, 5 when none\n" +
        "has such a program.",
    )
    .argument("<slice>", "its name")
    .argument("[nodes...]", "only there: addresses, or beginnings of identities")
    .option("-f, --follow", "go on with what comes")
    .option("--name <name>", "which program (default: main)")
    .option("-n, --lines <count>", "how many lines of each sliver", LINES)
    .action(async (slice: string, nodes: string[], options: LogsOptions & CommonOptions) => {
      await invoke(tools, options, (invocation) => show(slice, nodes, options, invocation, tools.terminal));
    });
}

async function show(
  slice: string,
  nodes: readonly string[],
  { name, follow, lines }: LogsOptions,
  invocation: Invocation,
  terminal: Tools["terminal"],
): Promise<number> {
  const [{ chooseSlivers }, { checkProgramName, MAIN_PROGRAM }, { readLogs }, { PrefixedLines }] =
    await Promise.all([
      import("../programs/program-choice.ts"),
      import("../programs/program-keeper.ts"),
      import("../programs/program-log.ts"),
      import("../ssh/execution.ts"),
    ]);
  if (!/^\d{1,6}$/.test(lines)) throw new UsageError(`"${lines}" is no number of lines; write -n 100`);
  const wish: LogWish = {
    name: checkProgramName(name ?? MAIN_PROGRAM),
    lines: Number(lines),
    follow: follow === true,
  };
  const { leases, privateKey } = await chooseSlivers(invocation.home, slice, nodes);
  const passed = new PrefixedLines(prefixesOf(leases, terminal.colours === true), terminal);
  const sink: LogSink = {
    stdout: (lease, chunk) => passed.stdout(lease, chunk),
    lost: (lease, failure) => invocation.warn(`${lease.ip}: ${failureSentence(failure)}; trying again`),
    back: (lease) => invocation.warn(`${lease.ip} is back`),
  };
  try {
    const outcomes = await readLogs(leases, wish, privateKey, sink, invocation.effort);
    return ending(outcomes, invocation);
  } catch (error) {
    // Ctrl-C is how one stops following: nothing is unfinished, and nothing needs saying.
    const over = wish.follow && invocation.effort.signal.reason instanceof Interrupted;
    if (!over) throw error;
    return EXIT.interrupted;
  } finally {
    for (const lease of leases) await passed.end(lease);
  }
}

/** Addresses, padded so that output stands below itself; nothing for a single sliver. */
function prefixesOf(leases: readonly Lease[], colours: boolean): Map<string, string> {
  const width = Math.max(...leases.map(({ ip }) => ip.length));
  return new Map(
    leases.map(({ node, ip }, at) => {
      const text = leases.length > 1 ? `${ip.padEnd(width)} | ` : "";
      const colour = COLOURS[at % COLOURS.length]!;
      return [node, colours && text ? styleText(colour, text, { validateStream: false }) : text];
    }),
  );
}

function ending(outcomes: readonly Outcome<Lease, LogEnd>[], invocation: Invocation): number {
  const failures = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome]));
  for (const { item, error } of failures) invocation.warn(`${item.ip}: ${failureSentence(error)}`);
  const pretended = outcomes.filter((outcome) => outcome.ok && outcome.value === "pretended").length;
  if (pretended > 0) invocation.say(`nothing runs in ${pretended} slivers, which are only simulated`);
  return exitCodeOfMany(
    outcomes.length - failures.length,
    failures.map(({ error }) => error),
  );
}
