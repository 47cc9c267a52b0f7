import type { CommandWords, Word } from "./command-words.ts";
import { kindText, MADE, operandTexts, quoted } from "./shell-text.ts";

/** A script for fish, for both programs. */
export function fishCompletion(commands: readonly CommandWords[]): string {
  return `# ${MADE}

# What may follow the command $argv[1]: its subcommands, options or operands, as $argv[2] says, one a line.
function __slicelab_command
    switch "$argv"
${commands.flatMap(commandCases).join("\n")}
        case '*'
            return 1
    end
end

# What the option $argv[2] of the command $argv[1] takes, if it takes a value.
function __slicelab_value
    switch "$argv"
${commands.flatMap(valueCases).join("\n")}
        case '*'
            return 1
    end
end

# What is of the kind $argv[1], for the program $argv[2] and the slice $argv[3].
function __slicelab_words
    switch $argv[1]
        case '=*'
            string split ' ' (string sub -s 2 $argv[1])
        case file
            __fish_complete_path (commandline -ct)
        case directory
            __fish_complete_directories (commandline -ct) ''
        case slice
            $argv[2] completion words slices 2>/dev/null
        case node
            $argv[2] completion words nodes "$argv[3]" 2>/dev/null
    end
end

function __slicelab
    set -l words (commandline -opc)
    set -l path (string replace -r '.*/' '' $words[1])
    set -l given
    set -l at 2
    while test $at -le (count $words)
        set -l word $words[$at]
        if test "$word" = --
            __fish_complete_path (commandline -ct)
            return
        else if set -l kind (__slicelab_value $path $word)
            set at (math $at + 1)
            if test $at -gt (count $words)
                __slicelab_words $kind $words[1] $given[1]
                return
            end
        else if not string match -q -- '-*' $word
            if test (count $given) -eq 0; and __slicelab_command "$path $word" subcommands >/dev/null
                set path "$path $word"
            else
                set -a given $word
            end
        end
        set at (math $at + 1)
    end
    if string match -q -- '-*' (commandline -ct)
        __slicelab_command $path options
        return
    end
    set -l subcommands (__slicelab_command $path subcommands)
    if test (count $subcommands) -gt 0
        test (count $given) -gt 0; and return
        printf '%s\\n' $subcommands
        return
    end
    set -l operands (__slicelab_command $path operands)
    set -l place (math (count $given) + 1)
    if test $place -le (count $operands)
        __slicelab_words (string replace -r '^\\+' '' -- $operands[$place]) $words[1] $given[1]
    else if test (count $operands) -gt 0; and string match -q -- '+*' $operands[-1]
        __slicelab_words (string replace -r '^\\+' '' -- $operands[-1]) $words[1] $given[1]
    end
end

complete -c slice -f -a '(__slicelab)'
complete -c slicelab -f -a '(__slicelab)'
`;
}

function commandCases(command: CommandWords): string[] {
  return [
    lines(`${command.path} subcommands`, command.subcommands.map(described)),
    lines(`${command.path} options`, command.options.map(described)),
    lines(`${command.path} operands`, operandTexts(command).map(quoted)),
  ];
}

function lines(what: string, each: readonly string[]): string {
  const said = each.length === 0 ? "true" : `printf '%s\\n' ${each.join(" ")}`;
  return `        case ${quoted(what)}\n            ${said}`;
}

function described({ word, does }: Word): string {
  return `${quoted(word)}\\t${quoted(does)}`;
}

function valueCases({ path, values }: CommandWords): string[] {
  return [...values].map(
    ([option, kind]) =>
      `        case ${quoted(`${path} ${option}`)}\n            echo ${quoted(kindText(kind))}`,
  );
}
