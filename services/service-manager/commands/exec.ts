import type { Command } from "commander";
import type { Lease } from "#shared/model/lease.ts";
import type { Outcome } from "../network/fan-out.ts";
import type { CollectedOutput, Execution } from "../ssh/execution.ts";
import { EXIT, exitCodeOfMany } from "../terminal/exit-code.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import type { Listing } from "../terminal/output.ts";
import { withOptionsAfterDashes } from "./command-words.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";

type ExecOptions = { readonly node?: readonly string[] };

export function addExec(parent: Command, tools: Tools): void {
  withOptionsAfterDashes(withCommonOptions(parent.command("exec")), "slice exec web -- uptime -p")
    .summary("run a command in every sliver of a slice")
    .description(
      "Runs a command in every sliver at once. Lines of output come as they are printed, with their node before them;\n" +
        "with -o they come at the end, node by node, with exit codes. One word is a line for the sliver's shell\n" +
        "('ps | wc -l'); several words are run exactly as they are.\n" +
        "Ends with the exit code of the command: the largest, where slivers differ; 3 when some could not be reached.",
    )
    .argument("<slice>", "its name")
    .argument("<command...>", "after --, so that its options stay its own")
    .option("--node <node>", "only there: an address, or the beginning of an identity (repeatable)", collect)
    .action(async (name: string, words: string[], options: ExecOptions & CommonOptions) => {
      await invoke(tools, options, (invocation) => exec(name, words, options, invocation, tools.terminal));
    });
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

async function exec(
  name: string,
  words: readonly string[],
  options: ExecOptions,
  invocation: Invocation,
  terminal: Tools["terminal"],
): Promise<number> {
  const [
    { existingSlice },
    { chooseLeases },
    { execute, PrefixedLines, CollectedOutput },
    { commandLine },
    { readPrivate },
  ] = await Promise.all([
    import("../journal/slice-state.ts"),
    import("../slivers/lease-choice.ts"),
    import("../ssh/execution.ts"),
    import("../ssh/shell.ts"),
    import("../journal/private-file.ts"),
  ]);
  const slice = await existingSlice(invocation.home, name);
  const leases = chooseLeases(slice, options.node);
  const privateKey = (await readPrivate(slice.paths.identity))?.toString("utf8") ?? "";
  const collected = invocation.format === undefined ? undefined : new CollectedOutput();
  const sink = collected ?? new PrefixedLines(prefixesOf(leases), terminal);
  const outcomes = await execute(leases, commandLine(words), privateKey, sink, {
    ...invocation.effort,
    // Output is passed on meanwhile: a line of progress would be written into it.
    ...(!collected && { progress: () => undefined }),
  });
  if (collected) await invocation.print(listing(outcomes, collected));
  return ending(outcomes, invocation);
}

/** Addresses, padded so that output stands below itself. */
function prefixesOf(leases: readonly Lease[]): Map<string, string> {
  const width = Math.max(...leases.map(({ ip }) => ip.length));
  return new Map(leases.map(({ node, ip }) => [node, `${ip.padEnd(width)} | `]));
}

function ending(outcomes: readonly Outcome<Lease, Execution>[], invocation: Invocation): number {
  const codes = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.value.code] : []));
  const failures = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome]));
  for (const { item, error } of failures) {
    invocation.warn(`${item.ip}: ${failureName(error)}: ${failureSentence(error)}`);
  }
  const unreached = exitCodeOfMany(
    codes.length,
    failures.map(({ error }) => error),
  );
  return Math.max(EXIT.ok, unreached, ...codes);
}

function listing(
  rows: readonly Outcome<Lease, Execution>[],
  collected: CollectedOutput,
): Listing<Outcome<Lease, Execution>> {
  return {
    rows,
    columns: [
      { header: "IP", value: ({ item }) => item.ip },
      { header: "EXIT", value: (row) => (row.ok ? String(row.value.code) : "") },
      { header: "OUTPUT", value: ({ item }) => collected.of(item).stdout.trimEnd().replaceAll("\n", " ⏎ ") },
      {
        header: "ERRORS",
        value: (row) => (row.ok ? collected.of(row.item).stderr.trimEnd() : failureName(row.error)),
      },
    ],
    name: ({ item }) => item.node,
    member: (row) => ({
      node: row.item.node,
      ip: row.item.ip,
      exit_code: row.ok ? row.value.code : null,
      ...collected.of(row.item),
      ...(!row.ok && { trouble: { name: failureName(row.error), sentence: failureSentence(row.error) } }),
    }),
  };
}
