import type { Command } from "commander";
import { Fault } from "#shared/model/errors.ts";
import type { CallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { onEach } from "../network/fan-out.ts";
import { exitCodeOfMany } from "../terminal/exit-code.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";

type StopOptions = { readonly name?: string };

export function addStop(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("stop"))
    .summary("end a program in every sliver, and forget it")
    .description(
      "Ends a program and everything it started, asking first and by force after five seconds, and forgets it with its\n" +
        "log; slivers that come later do not get it either. Its files stay. Exit code 3 when some slivers could not be reached, 5 when none has such a program.",
    )
    .argument("<slice>", "its name")
    .argument("[nodes...]", "only there: addresses, or beginnings of identities")
    .option("--name <name>", "which program (default: main)")
    .action(async (slice: string, nodes: string[], options: StopOptions & CommonOptions) => {
      await invoke(tools, options, (invocation) => stop(slice, nodes, options, invocation));
    });
}

async function stop(
  slice: string,
  nodes: readonly string[],
  options: StopOptions,
  invocation: Invocation,
): Promise<number> {
  const [{ chooseLeases }, { askKeeper, checkProgramName, MAIN_PROGRAM }, { forgetProgram }, { openInTurn }] =
    await Promise.all([
      import("../slivers/lease-choice.ts"),
      import("../programs/program-keeper.ts"),
      import("../programs/launching.ts"),
      import("./journal-turn.ts"),
    ]);
  const { effort, now } = invocation;
  const name = checkProgramName(options.name ?? MAIN_PROGRAM);
  using journal = await openInTurn(slice, invocation);
  const leases = chooseLeases(journal.state, nodes.length > 0 ? nodes : undefined);
  const forgotten = await forgetProgram(journal, name, { leases, chosen: nodes.length > 0 }, now);
  const privateKey = await journal.identity();
  const outcomes = await onEach(
    "stopping the program",
    leases,
    (lease) => askKeeper({ access: lease.ssh, privateKey, effort }, ["stop", name]),
    effort,
  );
  const failures = outcomes.flatMap((outcome) => (outcome.ok || isAbsence(outcome.error) ? [] : [outcome]));
  const stopped = outcomes.filter((outcome) => outcome.ok && outcome.value.lines.length > 0).length;
  const reached = outcomes.length - failures.length;
  for (const { item, error } of failures)
    invocation.warn(`${item.ip}: ${failureName(error)}: ${failureSentence(error)}`);
  if (stopped === 0 && failures.length === 0 && !forgotten) {
    throw new Fault(
      "NO_SLICE",
      `no sliver of ${slice} keeps a program ${name}; slice ps ${slice} shows those that are`,
    );
  }
  invocation.say(`stopped ${name} in ${stopped} of ${leases.length} slivers`);
  return exitCodeOfMany(
    reached,
    failures.map(({ error }) => error),
  );
}

/** There is nothing to end where there is no such program. */
function isAbsence(error: CallFailure): boolean {
  return error instanceof Fault && error.name === "NO_SLICE";
}
