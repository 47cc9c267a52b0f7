import { type Command, Option } from "commander";
import type { Lease } from "#shared/model/lease.ts";
import { RESTARTS, type Restart } from "#shared/model/slice-description.ts";
import type { Outcome } from "../network/fan-out.ts";
import type { Launched } from "../programs/program-launch.ts";
import { EXIT, exitCodeOfMany, UsageError } from "../terminal/exit-code.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import { type Listing, shortName } from "../terminal/output.ts";
import { dividedWords, withOptionsAfterDashes } from "./command-words.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";

type LaunchOptions = {
  readonly name?: string;
  readonly restart: Restart;
  readonly env?: readonly string[];
  readonly file?: readonly string[];
};

export function addLaunch(parent: Command, tools: Tools): void {
  withOptionsAfterDashes(withCommonOptions(parent.command("launch")), "slice launch web -- ./run.sh -v")
    .summary("have a program running in every sliver, whoever logs out or restarts")
    .description(
      "Puts files into every sliver and starts a program there, which is kept running: after logout, after its own\n" +
        "failure, after a restart of the sliver or its node. The same launch twice is once; another one of the same\n" +
        "name replaces the program. It is written down: slivers that come later, by slice repair or slice create, get\n" +
        "it too, until slice stop. One word after -- is a line for the sliver's shell, several are run as they are.\n\n" +
        "  slice launch web --file server.py -- python3 server.py --port 8080\n" +
        "  slice launch web 10.1.2.3 --name probe --restart always -- 'while sleep 60; do ping -c 1 10.1.2.4; done'\n\n" +
        "slice logs -f shows what it says, slice ps how it is, slice stop ends it. Ends with 3 when some slivers could\n" +
        "not be reached: run it again.",
    )
    .usage("[options] <slice> [node...] -- <command...>")
    .argument("<slice>", "its name")
    .argument(
      "[words...]",
      "nodes, if not all: addresses, or beginnings of identities; after --, the command",
    )
    .option("--name <name>", "what it is called; several programs have several names (default: main)")
    .addOption(
      new Option("--restart <when>", "when it is started again after it ended")
        .choices(RESTARTS)
        .default("on-failure"),
    )
    .option("--env <name=value>", "a variable of its environment (repeatable)", collect)
    .option("--file <local[:remote]>", "a file for the sliver's home, with its mode (repeatable)", collect)
    .action(async (name: string, words: string[], options: LaunchOptions & CommonOptions) => {
      const { before, after } = dividedWords(words, parent);
      await invoke(tools, options, (invocation) => start(name, before, after, options, invocation));
    });
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

async function start(
  slice: string,
  nodes: readonly string[],
  command: readonly string[],
  { name, restart, env, file }: LaunchOptions,
  invocation: Invocation,
): Promise<number> {
  if ((command[0] ?? "").trim() === "")
    throw new UsageError("say what is to run after --: slice launch web -- ./run.sh");
  const [
    { chooseLeases },
    { checkProgramName, MAIN_PROGRAM },
    { launchProgram },
    { programOf },
    files,
    turn,
  ] = await Promise.all([
    import("../slivers/lease-choice.ts"),
    import("../programs/program-keeper.ts"),
    import("../programs/launching.ts"),
    import("../programs/program-script.ts"),
    import("../programs/launch-files.ts"),
    import("./journal-turn.ts"),
  ]);
  const run = programOf(command, { restart, env: (env ?? []).map(readVariable) });
  const program = {
    ...{ name: checkProgramName(name ?? MAIN_PROGRAM), run, at: invocation.now },
    files: await files.readLaunchFiles(file ?? []),
  };
  using journal = await turn.openInTurn(slice, invocation);
  const chosen = nodes.length > 0 ? chooseLeases(journal.state, nodes) : undefined;
  const leases = chosen ?? chooseLeases(journal.state, undefined);
  const meant = { leases, chosen: chosen !== undefined };
  const outcomes = await launchProgram(journal, program, meant, invocation.effort);
  await invocation.print(listing(outcomes, program.name));
  return ending(outcomes, invocation);
}

const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s;

function readVariable(text: string): { name: string; value: string } {
  const [, name, value] = VARIABLE.exec(text) ?? [];
  if (name === undefined || value === undefined || value.includes("\0"))
    throw new UsageError(`"${text}": write NAME=VALUE, such as ROLE=peer`);
  return { name, value };
}

function ending(outcomes: readonly Outcome<Lease, Launched>[], invocation: Invocation): number {
  const failures = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome]));
  const pretended = outcomes.flatMap((outcome) =>
    outcome.ok && outcome.value.result === "pretended" ? [outcome.item.ip] : [],
  );
  for (const { item, error } of failures)
    invocation.warn(`${item.ip}: ${failureName(error)}: ${failureSentence(error)}`);
  if (pretended.length > 0)
    invocation.warn(`nothing ran in ${pretended.length} slivers, which are only simulated`);
  if (failures.length === 0) return EXIT.ok;
  return exitCodeOfMany(
    outcomes.length - failures.length,
    failures.map(({ error }) => error),
  );
}

const RESULTS = {
  started: "started",
  replaced: "replaced",
  running: "running already",
  pretended: "nothing ran (simulated)",
} as const;

function resultOf(outcome: Outcome<Lease, Launched>): string {
  if (!outcome.ok) return failureName(outcome.error);
  const { value } = outcome;
  return value.result === "ended" ? `ended already, with ${value.exit}` : RESULTS[value.result];
}

function listing(
  rows: readonly Outcome<Lease, Launched>[],
  program: string,
): Listing<Outcome<Lease, Launched>> {
  return {
    rows,
    columns: [
      { header: "NODE", value: ({ item }) => shortName(item.node) },
      { header: "IP", value: ({ item }) => item.ip },
      { header: "PROGRAM", value: () => program },
      { header: "RESULT", value: resultOf },
    ],
    name: ({ item }) => item.node,
    member: (row) => ({
      node: row.item.node,
      ip: row.item.ip,
      program,
      ...(row.ok ? row.value : { result: "failed" }),
      ...(!row.ok && { trouble: { name: failureName(row.error), sentence: failureSentence(row.error) } }),
    }),
  };
}
