import type { CommandWords, Word } from "./command-words.ts";
import { lookups, MADE, operandTexts, quoted } from "./shell-text.ts";

/** A completion function for zsh, for both programs: a file named _slicelab in a folder of $fpath, or sourced. */
export function zshCompletion(commands: readonly CommandWords[]): string {
  return `#compdef slice slicelab
# ${MADE}

${lookups(commands, commandCase)}

# Offers what is of the kind $1.
_slicelab_words() {
  case $1 in
  '='*) compadd -- \${=1#=} ;;
  file) _files ;;
  directory) _files -/ ;;
  slice) compadd -- \${(f)"$($words[1] completion words slices 2>/dev/null)"} ;;
  node) compadd -- \${(f)"$($words[1] completion words nodes "\${given[1]-}" 2>/dev/null)"} ;;
  esac
}

_slicelab() {
  local path_=\${words[1]:t} word kind at
  local -a subcommands options operands given
  _slicelab_command $path_ || return 1
  for ((at = 2; at < CURRENT; at++)); do
    word=$words[at]
    if [[ $word == -- ]]; then
      _default
      return
    elif _slicelab_value $path_ $word; then
      if ((++at == CURRENT)); then
        _slicelab_words $kind
        return
      fi
    elif [[ $word != -* ]]; then
      if (($#given == 0)) && _slicelab_command "$path_ $word"; then
        path_="$path_ $word"
      else
        _slicelab_command $path_
        given+=($word)
      fi
    fi
  done
  if [[ $words[CURRENT] == -* ]]; then
    _describe option options
  elif (($#subcommands)); then
    (($#given)) && return 1
    _describe command subcommands
  else
    kind=\${operands[$#given + 1]-}
    if [[ -z $kind && \${operands[-1]-} == +* ]]; then kind=$operands[-1]; fi
    _slicelab_words \${kind#+}
  fi
}

if [[ $funcstack[1] == _slicelab ]]; then _slicelab "$@"; else compdef _slicelab slice slicelab; fi
`;
}

function commandCase(command: CommandWords): string {
  const words = (name: string, list: readonly string[]) => `    ${name}=(${list.map(quoted).join(" ")})`;
  return `  ${quoted(command.path)})
${words("subcommands", command.subcommands.map(described))}
${words("options", command.options.map(described))}
${words("operands", operandTexts(command))} ;;`;
}

function described({ word, does }: Word): string {
  return `${word.replaceAll(":", "\\:")}:${does}`;
}
