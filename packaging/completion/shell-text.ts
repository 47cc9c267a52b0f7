import type { CommandWords, Kind } from "./command-words.ts";

/** A word that a POSIX shell, zsh or fish takes as it is. Nothing of ours holds a single quote where it may not. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", "’")}'`;
}

/** How a kind stands in a script: "=a b c" for words. */
export function kindText(kind: Kind): string {
  return typeof kind === "string" ? kind : `=${kind.join(" ")}`;
}

/** The kinds of operands, one after the other; the last one has "+" before it where more of it may follow. */
export function operandTexts({ operands, more }: CommandWords): string[] {
  return operands.map((kind, at) => (more && at === operands.length - 1 ? "+" : "") + kindText(kind));
}

/** Functions for bash and zsh that say what may follow a command, as `commandCase` writes it, and what options take. */
export function lookups(
  commands: readonly CommandWords[],
  commandCase: (command: CommandWords) => string,
): string {
  return `# What may follow the command $1.
_slicelab_command() {
  subcommands=() options=() operands=()
  case $1 in
${commands.map(commandCase).join("\n")}
  *) return 1 ;;
  esac
}

# What the option $2 of the command $1 takes, if it takes a value.
_slicelab_value() {
  kind=
  case "$1 $2" in
${commands.flatMap(valueCases).join("\n")}
  *) return 1 ;;
  esac
}`;
}

function valueCases({ path, values }: CommandWords): string[] {
  return [...values].map(
    ([option, kind]) => `  ${quoted(`${path} ${option}`)}) kind=${quoted(kindText(kind))} ;;`,
  );
}

/** What all scripts begin with, behind their comment sign. */
export const MADE =
  "What the shell completes for slice and slicelab. Made from their own commands by npm run packaging.";
