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
