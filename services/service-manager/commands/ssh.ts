import type { Command } from "commander";
import { UsageError } from "../terminal/exit-code.ts";
import { dividedWords, withOptionsAfterDashes } from "./command-words.ts";
import { type Invocation, invoke, type Tools } from "./invocation.ts";

type SshOptions = { readonly terminal?: boolean; readonly quiet?: boolean };

export function addSsh(parent: Command, tools: Tools): void {
  withOptionsAfterDashes(parent.command("ssh"), "slice ssh web -- uptime -p")
    .summary("enter a sliver, or run a command in it, with ssh")
    .description(
      "Runs ssh with the slice's key and its nodes' host keys: a shell in a sliver, or one command.\n" +
        "Everything else ssh can do: ssh -F $SLICELAB_HOME/ssh_config NODE.SLICE (-L, -D, sftp, rsync, …).",
    )
    .usage("[options] <slice> [node] [-- command...]")
    .argument("<slice>", "its name")
    .argument("[words...]", "a node: its address or the beginning of its identity; after --, a command")
    .option("-t, --terminal", "give the command a terminal")
    .option("-q, --quiet", "say nothing but what went wrong")
    .action(async (name: string, words: string[], options: SshOptions) => {
      const { before: nodes, after: command } = dividedWords(words, parent);
      await invoke(tools, options, (invocation) =>
        enter(name, { nodes, command, terminal: options.terminal === true }, invocation, tools),
      );
    });
}

type Entering = {
  readonly nodes: readonly string[];
  readonly command: readonly string[];
  readonly terminal: boolean;
};

async function enter(
  name: string,
  { nodes, command, terminal }: Entering,
  invocation: Invocation,
  tools: Tools,
): Promise<number> {
  if (nodes.length > 1)
    throw new UsageError(`give one node, and a command after --: -- ${nodes.slice(1).join(" ")}`);
  const [
    { existingSlice },
    { chooseLeases },
    { sshAlias, sshFiles, writeSshConfig },
    { runOnTerminal },
    { commandLine },
  ] = await Promise.all([
    import("../journal/slice-state.ts"),
    import("../slivers/lease-choice.ts"),
    import("../ssh/ssh-config.ts"),
    import("../ssh/openssh.ts"),
    import("../ssh/shell.ts"),
  ]);
  const { home } = invocation;
  const slice = await existingSlice(home, name);
  const [lease, ...others] = chooseLeases(slice, nodes.length > 0 ? nodes : undefined);
  if (others.length > 0) invocation.say(`entering ${lease!.ip}, the first of ${others.length + 1} slivers`);
  await writeSshConfig(home, slice);
  const options = ["-F", sshFiles(home, name).config, ...(terminal ? ["-t"] : [])];
  const words = command.length > 0 ? ["--", commandLine(command)] : [];
  return await runOnTerminal("ssh", [...options, sshAlias(lease!), ...words], tools.terminal.interrupted);
}
