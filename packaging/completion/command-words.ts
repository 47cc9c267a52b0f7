import type { Argument, Command, Option } from "commander";
import { isShown } from "../manual.ts";
import type { Program } from "../programs.ts";

/**
 * What stands at a place of a command line: one of these words, a file, a directory, a slice of one's own, a node of the
 * slice named before it, or something a shell cannot know.
 */
export type Kind = readonly string[] | "file" | "directory" | "slice" | "node" | "other";

export type Word = { readonly word: string; readonly does: string };

/** What may follow the words of one command. */
export type CommandWords = {
  /** Such as "slice node list". */
  readonly path: string;
  readonly subcommands: readonly Word[];
  readonly options: readonly Word[];
  /** Options that take a value, by each way to write them. */
  readonly values: ReadonlyMap<string, Kind>;
  /** What its operands are, the last one of all that follow where `more` is set. */
  readonly operands: readonly Kind[];
  readonly more: boolean;
};

/** Every command of the programs, each under its path; `parts` of `slicelab` as it lists them. */
export function commandWords(
  programs: readonly Program[],
  parts: ReadonlyMap<string, string>,
): readonly CommandWords[] {
  const root: CommandWords = {
    ...{ path: "slicelab", options: [HELP], values: new Map(), operands: [], more: false },
    subcommands: [...parts].map(([word, does]) => ({ word, does })),
  };
  return [...programs.flatMap(({ name, command }) => wordsBelow(command, name)), root];
}

const HELP: Word = { word: "--help", does: "display help for command" };

function wordsBelow(command: Command, path: string): CommandWords[] {
  const below = command.commands.filter(isShown);
  const options = command.options.filter(({ hidden }) => !hidden);
  const own = path.startsWith("slice ");
  const words: CommandWords = {
    path,
    subcommands: below.map((one) => ({ word: one.name(), does: summaryOf(one) })),
    options: [
      ...options.flatMap((option) =>
        namesOf(option).map((word) => ({ word, does: line(option.description) })),
      ),
      HELP,
    ],
    values: new Map(
      options
        .filter(({ required, optional }) => required || optional)
        .flatMap((option) => namesOf(option).map((word) => [word, kindOfOption(option, own)] as const)),
    ),
    operands: command.registeredArguments.map((argument) => kindOfArgument(argument, own)),
    more: command.registeredArguments.at(-1)?.variadic ?? false,
  };
  return [words, ...below.flatMap((one) => wordsBelow(one, `${path} ${one.name()}`))];
}

function namesOf({ short, long }: Option): string[] {
  return [long, short].filter((name) => name !== undefined);
}

function summaryOf(command: Command): string {
  return line(command.summary() || command.description());
}

function line(words: string): string {
  return words.split("\n")[0]!.trim();
}

/** `own`: it is about slices in one's own journal. */
function kindOfArgument(argument: Argument, own: boolean): Kind {
  return argument.argChoices ?? kindOfName(argument.name(), own);
}

function kindOfOption({ argChoices, flags }: Option, own: boolean): Kind {
  return argChoices ?? kindOfName(/[<[]([^\]>.]+)/.exec(flags)?.[1] ?? "", own);
}

const FILES = [
  "file",
  "description",
  "description or name",
  "target",
  "paths",
  "source",
  "request",
  "certificate",
];

function kindOfName(name: string, own: boolean): Kind {
  if (name === "directory" || name === "dir") return "directory";
  if (FILES.includes(name) || /\bfile\b|^local/.test(name)) return "file";
  if (own && name === "slice") return "slice";
  if (own && ["node", "nodes", "words"].includes(name)) return "node";
  return "other";
}
