/** A word as a POSIX shell reads it back: nothing in it means anything to the shell. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * What a sliver's shell is given for the words of a command line. One word is a line for that shell (`"ps | wc -l"`);
 * several are run exactly as they are.
 */
export function commandLine(words: readonly string[]): string {
  return words.length === 1 ? words[0]! : words.map(shellWord).join(" ");
}
