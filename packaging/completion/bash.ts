import type { CommandWords } from "./command-words.ts";
import { lookups, MADE, operandTexts, quoted } from "./shell-text.ts";

/** A script for bash (4.4 or newer), for both programs. */
export function bashCompletion(commands: readonly CommandWords[]): string {
  return `# ${MADE}

${lookups(commands, commandCase)}

_slicelab() {
  local IFS=$' \\t\\n' cur=\${COMP_WORDS[COMP_CWORD]} path=\${COMP_WORDS[0]##*/} word kind at
  local -a subcommands options operands given=()
  local ended=
  _slicelab_command "$path" || return
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    if [[ $word == -- ]]; then
      ended=1
      break
    elif _slicelab_value "$path" "$word"; then
      ((++at == COMP_CWORD)) && _slicelab_words "$kind" && return
    elif [[ $word != -* ]]; then
      if ((\${#given[@]} == 0)) && _slicelab_command "$path $word"; then
        path="$path $word"
      else
        _slicelab_command "$path"
        given+=("$word")
      fi
    fi
  done
  [[ -n $ended ]] && compopt -o default && return
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "\${options[*]}" -- "$cur"))
  elif ((\${#subcommands[@]} > 0)); then
    ((\${#given[@]} > 0)) && return
    COMPREPLY=($(compgen -W "\${subcommands[*]}" -- "$cur"))
  else
    kind=\${operands[\${#given[@]}]-}
    [[ -z $kind && \${#operands[@]} -gt 0 && \${operands[-1]} == +* ]] && kind=\${operands[-1]}
    _slicelab_words "\${kind#+}"
  fi
}

# Offers what is of the kind $1.
_slicelab_words() {
  case $1 in
  =*) COMPREPLY=($(compgen -W "\${1#=}" -- "$cur")) ;;
  file) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
  directory) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
  slice) COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" completion words slices 2>/dev/null)" -- "$cur")) ;;
  node) COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" completion words nodes "\${given[0]-}" 2>/dev/null)" -- "$cur")) ;;
  esac
  return 0
}

complete -F _slicelab slice slicelab
`;
}

function commandCase(command: CommandWords): string {
  const words = (name: string, list: readonly string[]) => `${name}=(${list.map(quoted).join(" ")})`;
  return `  ${quoted(command.path)})
    ${words(
      "subcommands",
      command.subcommands.map(({ word }) => word),
    )}
    ${words(
      "options",
      command.options.map(({ word }) => word),
    )}
    ${words("operands", operandTexts(command))} ;;`;
}
