import type { Command } from "commander";
import { EXIT, type ExitCode, exitCodeOfMany } from "../terminal/exit-code.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";

export function addStatus(parent: Command, tools: Tools): void {
  withCommonOptions(parent.command("status"))
    .summary("show how each sliver of a slice is")
    .description("Asks every node of a slice how its sliver is. Exit code 3 when some could not say.")
    .argument("<slice>", "its name")
    .action(async (name: string, options: CommonOptions) => {
      await invoke(tools, options, (invocation) => status(name, invocation));
    });
}

async function status(name: string, invocation: Invocation): Promise<ExitCode> {
  const [{ existingSlice }, { lookAtSlivers }, { sliverListing }] = await Promise.all([
    import("../journal/slice-state.ts"),
    import("../slivers/inspection.ts"),
    import("../slivers/sliver-view.ts"),
  ]);
  const slice = await existingSlice(invocation.home, name);
  using network = await invocation.network();
  const { views, failures } = await lookAtSlivers(slice, network, invocation.effort, invocation.now);
  await invocation.print(sliverListing(views, { slice: name, phase: slice.record.phase }));
  if (slice.record.phase === "creating")
    invocation.say(`it is not complete; run slice create ${name} to finish it`);
  if (slice.record.phase === "deleting")
    invocation.say(`it is being deleted; run slice delete ${name} to finish that`);
  return failures.length === 0 ? EXIT.ok : exitCodeOfMany(slice.leases.size - failures.length, failures);
}
