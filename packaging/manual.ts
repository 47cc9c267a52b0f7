import type { Argument, Command, Option } from "commander";
import type { Program } from "./programs.ts";

/** As long as lines of a page's source are. */
const WIDTH = 76;

/** What is put into a manual page is text: nothing of it is an instruction to roff, or missing where terminals know ASCII only. */
function text(words: string): string {
  return words
    .replaceAll("…", "...")
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&");
}

function bold(words: string): string {
  return `\\fB${text(words)}\\fR`;
}

function quoted(words: string): string {
  return `"${text(words).replaceAll('"', "\\(dq")}"`;
}

/** The name of a program's page, such as slicelab-agent. */
export function pageName({ name }: Program): string {
  return name.replaceAll(" ", "-");
}

/** The manual page (section 1) of a program: all of its commands, each with its arguments and options. */
export function manualPage(program: Program, others: readonly Program[], version: string): string {
  const { name, command } = program;
  const groups = command.commands.length > 0;
  const lines = [
    `.\\" Made from the program's own commands by npm run packaging.`,
    `.TH ${quoted(pageName(program).toUpperCase())} 1 "" ${quoted(`Slicelab ${version}`)} "Slicelab"`,
    ".SH NAME",
    `${text(pageName(program))} \\- ${text(oneLine(command.description()))}`,
    ".SH SYNOPSIS",
    groups ? `${bold(name)} \\fIcommand\\fR [\\fIargument\\fR ...]` : synopsis(command, name),
    ".SH DESCRIPTION",
    ...prose(command.description()),
    ...(groups ? [] : optionLines(command)),
    ...(groups ? [".SH COMMANDS", ...commandLines(command, name)] : []),
    ...noteLines(command),
    ".SH SEE ALSO",
    others
      .filter((other) => other !== program)
      .map((other) => `${bold(pageName(other))}(1)`)
      .join(",\n"),
  ];
  return `${lines.join("\n")}\n`;
}

/** A page for `slicelab` itself: `parts` are those it says it has, with what each does. */
export function indexPage(
  parts: ReadonlyMap<string, string>,
  others: readonly Program[],
  version: string,
): string {
  const lines = [
    `.\\" Made from the program's own commands by npm run packaging.`,
    `.TH "SLICELAB" 1 "" ${quoted(`Slicelab ${version}`)} "Slicelab"`,
    ".SH NAME",
    `slicelab \\- ${text("runs one part of Slicelab, each a program of its own")}`,
    ".SH SYNOPSIS",
    `${bold("slicelab")} \\fIpart\\fR [\\fIargument\\fR ...]`,
    ".SH PARTS",
    ...[...parts].flatMap(([part, does]) => [".TP", bold(part), text(does)]),
    ".SH SEE ALSO",
    others.map((other) => `${bold(pageName(other))}(1)`).join(",\n"),
  ];
  return `${lines.join("\n")}\n`;
}

function commandLines(parent: Command, above: string): string[] {
  return parent.commands.filter(isShown).flatMap((command) => {
    const name = `${above} ${command.name()}`;
    if (command.commands.length > 0) {
      const notes = prose(notesOf(command));
      const group = notes.length === 0 ? [] : [`.SS ${quoted(name)}`, ...prose(command.description()), ".PP"];
      return [...group, ...notes, ...commandLines(command, name)];
    }
    const does = command.description() || command.summary();
    return [
      ...[`.SS ${quoted(name)}`, synopsis(command, name), ".PP", ...prose(does)],
      ...optionLines(command),
      ...prose(notesOf(command)),
    ];
  });
}

/** Whether help tells of it. */
export function isShown(command: Command): boolean {
  return !(command as Command & { readonly _hidden?: boolean })._hidden;
}

function synopsis(command: Command, name: string): string {
  const options = command.options.some(({ hidden }) => !hidden) ? [" [\\fIoptions\\fR]"] : [];
  return [bold(name), ...options, ...command.registeredArguments.map((one) => ` ${argumentText(one)}`)].join(
    "",
  );
}

function argumentText(argument: Argument): string {
  const name = `\\fI${text(argument.name())}\\fR${argument.variadic ? " ..." : ""}`;
  return argument.required ? name : `[${name}]`;
}

function optionLines(command: Command): string[] {
  return [
    ...command.registeredArguments
      .filter(({ description }) => description)
      .flatMap((one) => [".TP", `\\fI${text(one.name())}\\fR`, flowing(one.description)]),
    ...command.options
      .filter(({ hidden }) => !hidden)
      .flatMap((option) => [".TP", bold(option.flags), flowing(optionText(option))]),
  ];
}

/** As its help tells it. */
function optionText({
  description,
  argChoices,
  defaultValue,
  defaultValueDescription,
  mandatory,
}: Option): string {
  const empty =
    defaultValue === undefined ||
    defaultValue === false ||
    (Array.isArray(defaultValue) && defaultValue.length === 0);
  const more = [
    ...(argChoices ? [`one of ${argChoices.join(", ")}`] : []),
    ...(empty && defaultValueDescription === undefined
      ? []
      : [`default: ${defaultValueDescription ?? String(defaultValue)}`]),
    ...(mandatory ? ["needed"] : []),
  ];
  return more.length > 0 ? `${description} (${more.join("; ")})` : description;
}

function noteLines(command: Command): string[] {
  const notes = notesOf(command);
  return notes === "" ? [] : [".SH NOTES", ...prose(notes)];
}

/** What its help says at its end: prose, and indented lines as they are. */
function notesOf(command: Command): string {
  let help = "";
  const { writeOut } = command.configureOutput();
  command.configureOutput({ writeOut: (said) => (help += said) });
  command.outputHelp();
  command.configureOutput({ writeOut });
  return help.slice(command.helpInformation().length).replace(/^\n+|\s+$/g, "");
}

function oneLine(words: string): string {
  return words.replace(/\s+/g, " ").trim();
}

/** Prose in lines that are not too long. */
function flowing(words: string): string {
  const lines = [""];
  for (const word of oneLine(words).split(" ")) {
    const line = lines.pop()!;
    const longer = line === "" ? word : `${line} ${word}`;
    lines.push(...(longer.length > WIDTH && line !== "" ? [line, word] : [longer]));
  }
  return text(lines.join("\n"));
}

/** Blank lines divide paragraphs; what is indented stays as it is. */
function prose(words: string): string[] {
  const blocks = words
    .split(/\n\s*\n|\n(?= {2})|(?<=\n {2}.*)\n(?! {2})/)
    .filter((block) => block.trim() !== "");
  return blocks.flatMap((block, at) => {
    const verbatim = block.startsWith("  ");
    const before = at === 0 ? [] : blocks[at - 1]!.startsWith("  ") && verbatim ? [] : [".PP"];
    return verbatim ? [...before, ".nf", text(block), ".fi"] : [...before, flowing(block)];
  });
}
