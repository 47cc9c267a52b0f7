import type { Command } from "commander";

/** The words of a command line that stand before -- and after it: commander leaves that out. */
export function dividedWords(
  words: readonly string[],
  parent: Command,
): { readonly before: readonly string[]; readonly after: readonly string[] } {
  const { rawArgs } = parent as Command & { readonly rawArgs: readonly string[] };
  const at = rawArgs.indexOf("--");
  const count = at === -1 ? 0 : rawArgs.length - at - 1;
  return { before: words.slice(0, words.length - count), after: words.slice(words.length - count) };
}

/** Says, with every misuse of a command that takes another command, where that one's own options go. */
export function withOptionsAfterDashes(command: Command, example: string): Command {
  return command.showHelpAfterError(
    `(what is run, and its own options, come after --, as in: ${example})\n(slice --help says what there is)`,
  );
}
