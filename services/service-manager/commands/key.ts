import type { Command } from "commander";
import type { Lease } from "#shared/model/lease.ts";
import type { Outcome } from "../network/fan-out.ts";
import { EXIT, type ExitCode, exitCodeOfMany } from "../terminal/exit-code.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import { shortName } from "../terminal/output.ts";
import { type CommonOptions, type Invocation, invoke, type Tools, withCommonOptions } from "./invocation.ts";

export function addKeyCommands(parent: Command, tools: Tools): void {
  const key = parent.command("key").summary("say which SSH keys may enter the slivers of a slice");
  key.description(
    "The slice's own key (made with it, see `slice list -o wide` for where) and whichever you add.",
  );
  for (const [verb, does] of [
    ["add", "let one more SSH key into every sliver"],
    ["rm", "let an SSH key in no more"],
  ] as const) {
    withCommonOptions(key.command(verb))
      .description(does)
      .argument("<slice>", "its name")
      .argument("<file>", "a public key, such as ~/.ssh/id_ed25519.pub")
      .action(async (name: string, file: string, options: CommonOptions) => {
        await invoke(tools, options, (invocation) => change(verb, name, file, invocation));
      });
  }
  withCommonOptions(key.command("list"))
    .description("list the SSH keys each node lets in")
    .argument("<slice>", "its name")
    .action(async (name: string, options: CommonOptions) => {
      await invoke(tools, options, (invocation) => list(name, invocation));
    });
}

async function change(
  verb: "add" | "rm",
  name: string,
  file: string,
  invocation: Invocation,
): Promise<ExitCode> {
  const [{ addKey, readPublicKey, removeKey }, { SliceJournal }, { checkGoingOn }, { readNamedFile }] =
    await Promise.all([
      import("../ssh/slice-keys.ts"),
      import("../journal/slice-journal.ts"),
      import("../journal/slice-owner.ts"),
      import("../terminal/named-file.ts"),
    ]);
  const key = readPublicKey((await readNamedFile(file)).toString("utf8"), file);
  using journal = await SliceJournal.openExisting(invocation.home, name);
  using network = await invocation.network();
  checkGoingOn(journal.record, network.principal);
  const act = verb === "add" ? addKey : removeKey;
  const outcomes = await act(journal, key, network, invocation.effort);
  return told(outcomes, invocation, verb === "add" ? "the key is let in" : "the key is let in no more");
}

async function list(name: string, invocation: Invocation): Promise<ExitCode> {
  const [{ listKeys }, { existingSlice }] = await Promise.all([
    import("../ssh/slice-keys.ts"),
    import("../journal/slice-state.ts"),
  ]);
  const slice = await existingSlice(invocation.home, name);
  using network = await invocation.network();
  const outcomes = await listKeys(slice, network, invocation.effort);
  const rows = outcomes.flatMap((outcome) =>
    outcome.ok ? outcome.value.map((key) => ({ node: outcome.item.node, ip: outcome.item.ip, key })) : [],
  );
  await invocation.print({
    rows,
    columns: [
      { header: "NODE", value: ({ node }) => shortName(node) },
      { header: "IP", value: ({ ip }) => ip },
      { header: "KEY", value: ({ key }) => key },
    ],
    name: ({ key }) => key,
    member: (row) => row,
  });
  return told(outcomes, invocation);
}

function told(outcomes: readonly Outcome<Lease, unknown>[], invocation: Invocation, done?: string): ExitCode {
  const failures = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome]));
  for (const { item, error } of failures) {
    invocation.warn(`${item.ip}: ${failureName(error)}: ${failureSentence(error)}`);
  }
  const succeeded = outcomes.length - failures.length;
  if (done) invocation.say(`${done} on ${succeeded} of ${outcomes.length} nodes`);
  if (failures.length === 0) return EXIT.ok;
  return exitCodeOfMany(
    succeeded,
    failures.map(({ error }) => error),
  );
}
