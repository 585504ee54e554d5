import { quote } from './bash.ts'
import { type CompletedCommand, optionsWithValue, waysIn } from './command.ts'

/** The script for zsh, with summaries. It may be autoloaded from a folder of `fpath`, or sourced. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef imgctl
# zsh completion for imgctl, written by: imgctl completion zsh

# Sets what may follow a command.
__imgctl_command() {
  subcommands=() switches=() operands=() repeats=''
  case "$1" in
${commands.map(commandCase).join('\n')}
  esac
}

# Sets the command that a word leads to.
__imgctl_enter() {
  case "$1/$2" in
${waysIn(commands)
  .map(({ path, from, names }) => `    ${patterns(from, names)}) at=${quote(path)} ;;`)
  .join('\n')}
    *) return 1 ;;
  esac
}

# Sets the kind of an option's value; fails for an option that takes none.
__imgctl_value() {
  case "$1/$2" in
${optionsWithValue(commands)
  .map(({ path, names, value }) => `    ${patterns(path, names)}) kind=${quote(value)} ;;`)
  .join('\n')}
    *) return 1 ;;
  esac
}

${MAIN}`
}

function commandCase({ path, subcommands, options, operands, repeats }: CompletedCommand): string {
  const lines = [
    ...array(
      'subcommands',
      subcommands.map(({ names, summary }) => described(names[0] ?? '', summary)),
    ),
    ...array(
      'switches',
      options.map(({ names, summary }) => described(names.at(-1) ?? '', summary)),
    ),
    ...array('operands', operands),
    ...(repeats ? ['repeats=1'] : []),
  ]
  return `    ${quote(path)})\n${lines.map((line) => `      ${line}\n`).join('')}      ;;`
}

function array(name: string, words: readonly string[]): string[] {
  return words.length === 0 ? [] : [`${name}=(`, ...words.map((word) => `  ${quote(word)}`), ')']
}

/** `_describe` takes what follows the first colon as the summary. */
function described(word: string, summary: string): string {
  return `${word.replaceAll(':', '\\:')}:${summary}`
}

function patterns(path: string, words: readonly string[]): string {
  return words.map((word) => quote(`${path}/${word}`)).join(' | ')
}

const MAIN = `__imgctl_offer_kind() {
  local -a names
  case "$1" in
    words\\ *) compadd -- \${=1#words } ;;
    file) _files ;;
    folder) _files -/ ;;
    name)
      names=(\${(f)"$(command imgctl __complete "\${given[@]}" 2> /dev/null)"})
      (($#names)) || return 1
      # A repository is followed by its tag.
      compadd -S '' -- \${(M)names:#*:}
      compadd -- \${names:#*:}
      ;;
    name-or-archive)
      if [[ $PREFIX == oci:* ]]; then
        compset -P oci: && _files -/
      elif [[ $PREFIX == [./~]* ]]; then
        _files
      else
        __imgctl_offer_kind name
        _files -g '*.(tar|tgz|tar.gz|tar.zst|tar.xz|tar.bz2)(-.)'
      fi
      ;;
  esac
}

_imgctl() {
  local -a subcommands switches operands given
  local at='' word pending='' kind='' repeats=''
  local -i index position=1
  for ((index = 2; index < CURRENT; index++)); do
    word=\${words[index]}
    if [[ -n $pending ]]; then
      pending=''
    elif [[ $word == -*=* ]]; then
      :
    elif [[ $word == -* ]]; then
      __imgctl_value "$at" "$word" && pending=$kind
    elif ! __imgctl_enter "$at" "$word"; then
      position+=1
    fi
  done

  __imgctl_command "$at"
  given=("\${(@)words[2,CURRENT-1]}" "$PREFIX")
  if [[ -n $pending ]]; then
    __imgctl_offer_kind "$pending"
  elif [[ $PREFIX == --*=* ]]; then
    given=("\${(@)words[2,CURRENT-1]}" "\${PREFIX%%=*}" "\${PREFIX#*=}")
    __imgctl_value "$at" "\${PREFIX%%=*}" && compset -P '*=' && __imgctl_offer_kind "$kind"
  elif [[ $PREFIX == -* ]]; then
    _describe -o 'option' switches
  elif (($#subcommands)); then
    _describe 'command' subcommands
  else
    [[ -n $repeats ]] && ((position > $#operands)) && position=$#operands
    __imgctl_offer_kind "\${operands[position]}"
  fi
}

# Autoloaded, this file is the function itself.
if [[ "\${funcstack[1]}" == _imgctl ]]; then
  _imgctl "$@"
else
  compdef _imgctl imgctl
fi
`
