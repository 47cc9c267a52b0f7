/** What only a shell understands, outside of quotes. */
const SHELLS_OWN = /[|&;<>()$`*?[\]{}~#!\n]/;

/**
 * The words of a command line as sh would split it, quotes and backslashes taken off. Undefined for one that asks more
 * of a shell than that, and for an empty one.
 */
export function wordsOf(commandLine: string): string[] | undefined {
  const words: string[] = [];
  const pieces = commandLine.matchAll(/(\s+)|'([^']*)'|"((?:[^"\\$`]|\\.)*)"|\\(.)|([^\s'"\\]+)|(.)/gs);
  let word: string | undefined;
  for (const [, space, single, double, escaped, plain] of pieces) {
    if (space !== undefined) {
      if (space.includes("\n")) return undefined;
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    const text = single ?? double?.replace(/\\([\\"$`])/g, "$1") ?? escaped ?? plain;
    if (text === undefined || (plain !== undefined && SHELLS_OWN.test(plain))) return undefined;
    word = (word ?? "") + text;
  }
  if (word !== undefined) words.push(word);
  return words.length > 0 ? words : undefined;
}
