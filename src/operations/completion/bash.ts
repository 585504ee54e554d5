import { type CompletedCommand, optionsWithValue, waysIn } from './command.ts'

/**
 * The script for bash, from 3.2 (macOS) on. Reading it starts no process; only names of images and profiles need
 * one, when they are asked for.
 */
export function bashScript(commands: readonly CompletedCommand[]): string {
  return `# bash completion for imgctl, written by: imgctl completion bash

# Sets what may follow a command.
__imgctl_command() {
  subcommands='' switches='' operands=() repeats=''
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
  const words = subcommands.flatMap(({ names }) => names.slice(0, 1))
  const lines = [
    ...(words.length > 0 ? [`subcommands=${quote(words.join(' '))}`] : []),
    `switches=${quote(options.flatMap(({ names }) => names.slice(-1)).join(' '))}`,
    ...(operands.length > 0 ? [`operands=(${operands.map(quote).join(' ')})`] : []),
    ...(repeats ? ['repeats=1'] : []),
  ]
  return `    ${quote(path)})\n${lines.map((line) => `      ${line}\n`).join('')}      ;;`
}

function patterns(path: string, words: readonly string[]): string {
  return words.map((word) => quote(`${path}/${word}`)).join(' | ')
}

/** A word of a POSIX shell, as it is. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

const MAIN = `# Offers each line of stdin that begins with $current.
__imgctl_offer() {
  local line
  while IFS= read -r line; do
    [[ $line == "$current"* ]] && COMPREPLY+=("$line")
  done
}

__imgctl_offer_kind() {
  # Names of files are typed with escapes, and offered without: bash adds them.
  [[ $1 == file || $1 == folder ]] && local current=\${current//\\\\/}
  case "$1" in
    words\\ *) __imgctl_offer < <(printf '%s\\n' \${1#words }) ;;
    file)
      compopt -o filenames 2> /dev/null
      __imgctl_offer < <(compgen -f -- "$current")
      ;;
    folder)
      compopt -o filenames 2> /dev/null
      __imgctl_offer < <(compgen -d -- "$current")
      ;;
    name) __imgctl_offer < <(command imgctl __complete "\${words[@]}" 2> /dev/null) ;;
    name-or-archive)
      case "$current" in
        [./~]*) __imgctl_offer_kind file ;;
        oci:*) __imgctl_offer < <(compgen -P oci: -d -- "\${current#oci:}") ;;
        *)
          __imgctl_offer_kind name
          __imgctl_offer < <(compgen -f -- "$current" | grep -E '\\.(tar|tgz|tar\\.(gz|zst|xz|bz2))$')
          ;;
      esac
      ;;
  esac
}

_imgctl() {
  # bash breaks words at : and =, which are parts of names: put together again.
  local words=() glued='' word index
  for ((index = 1; index <= COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if [[ \${#words[@]} -gt 0 && $word =~ ^[:=]+$ ]]; then
      words[\${#words[@]} - 1]+=$word
      glued=1
    elif [[ $glued && ! (-z $word && $COMP_LINE == *' ') ]]; then
      words[\${#words[@]} - 1]+=$word
      glued=''
    else
      words+=("$word")
      glued=''
    fi
  done

  local last=$((\${#words[@]} - 1)) at='' position=0 pending='' kind='' option=''
  local subcommands switches operands repeats
  for ((index = 0; index < last; index++)); do
    word=\${words[index]}
    if [[ $pending ]]; then
      pending=''
    elif [[ $word == -*=* ]]; then
      :
    elif [[ $word == -* ]]; then
      __imgctl_value "$at" "$word" && pending=$kind
    elif ! __imgctl_enter "$at" "$word"; then
      position=$((position + 1))
    fi
  done

  local current=\${words[last]}
  COMPREPLY=()
  __imgctl_command "$at"
  if [[ $pending ]]; then
    __imgctl_offer_kind "$pending"
  elif [[ $current == --*=* ]]; then
    option=\${current%%=*}
    current=\${current#*=}
    words[last]=$option
    words+=("$current")
    __imgctl_value "$at" "$option" && __imgctl_offer_kind "$kind"
    [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=("\${COMPREPLY[@]/#/$option=}")
  elif [[ $current == -* ]]; then
    __imgctl_offer_kind "words $switches"
  elif [[ $subcommands ]]; then
    __imgctl_offer_kind "words $subcommands"
  else
    [[ $repeats && $position -ge \${#operands[@]} ]] && position=$((\${#operands[@]} - 1))
    __imgctl_offer_kind "\${operands[position]}"
  fi

  [[ \${#COMPREPLY[@]} -gt 0 ]] || return 0
  # A repository is followed by its tag.
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *: ]] && compopt -o nospace 2> /dev/null
  # What stands before the last : is not replaced, so it is not offered.
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
    word=\${current%"\${current##*:}"}
    COMPREPLY=("\${COMPREPLY[@]#"$word"}")
  fi
  return 0
}

complete -F _imgctl imgctl
`
