import { type CompletedCommand, optionsWithValue, waysIn } from './command.ts'

/** The script for fish, from 3.0 on, with summaries. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  return `# fish completion for imgctl, written by: imgctl completion fish

# Subcommands of a command, each with its summary.
function __imgctl_subcommands
    switch "$argv[1]"
${cases(
  commands.flatMap(({ path, subcommands }) => {
    const words = subcommands.map(({ names, summary }) => `${names[0]}\t${summary}`)
    return words.length === 0 ? [] : [[[path], words]]
  }),
)}
    end
end

# Options of a command, each with its summary.
function __imgctl_switches
    switch "$argv[1]"
${cases(
  commands.map(({ path, options }) => [
    [path],
    options.map(({ names, summary }) => `${names.at(-1)}\t${summary}`),
  ]),
)}
    end
end

# The kind of each operand of a command; a last line with dots says that the one before may be repeated.
function __imgctl_operands
    switch "$argv[1]"
${cases(
  commands.flatMap(({ path, operands, repeats }) =>
    operands.length === 0 ? [] : [[[path], [...operands, ...(repeats ? ['...'] : [])]]],
  ),
)}
    end
end

# The command that a word leads to.
function __imgctl_enter
    switch "$argv[1]/$argv[2]"
${cases(waysIn(commands).map(({ path, from, names }) => [keys(from, names), [path]]))}
    end
end

# The kind of an option's value; nothing for an option that takes none.
function __imgctl_value
    switch "$argv[1]/$argv[2]"
${cases(optionsWithValue(commands).map(({ path, names, value }) => [keys(path, names), [value]]))}
    end
end

${MAIN}`
}

type Case = readonly [patterns: readonly string[], lines: readonly string[]]

function cases(all: readonly (Case | readonly (readonly string[])[])[]): string {
  return all
    .map(([patterns = [], lines = []]) => {
      const printed = lines.map(quote).join(' ')
      return `        case ${patterns.map(quote).join(' ')}\n            printf '%s\\n' ${printed}`
    })
    .join('\n')
}

function keys(path: string, words: readonly string[]): string[] {
  return words.map((word) => `${path}/${word}`)
}

/** fish knows two escapes inside single quotes. */
function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

const MAIN = `# Offers what a value may be. Arguments: its kind, what stands before it in its word, the words so far.
function __imgctl_offer
    set -l kind $argv[1]
    set -l before $argv[2]
    set -l given $argv[3..-1]
    set -l current $given[-1]
    switch "$kind"
        case 'words *'
            printf "$before%s\\n" (string split ' ' -- $kind)[2..-1]
        case file
            __fish_complete_path $current
        case folder
            __fish_complete_directories $current
        case name
            set -l names (command imgctl __complete $given 2>/dev/null)
            and test (count $names) -gt 0
            and printf "$before%s\\n" $names
        case name-or-archive
            if not string match -qr '^[./~]' -- $current
                __imgctl_offer name "$before" $given
            end
            __fish_complete_path $current
    end
end

function __imgctl_complete
    set -l at ''
    set -l position 1
    set -l pending ''
    set -l words (commandline -opc)[2..-1]
    set -l current (commandline -ct)
    for word in $words
        if test -n "$pending"
            set pending ''
        else if string match -q -- '-*=*' $word
            continue
        else if string match -q -- '-*' $word
            set pending (__imgctl_value "$at" $word)
        else
            set -l entered (__imgctl_enter "$at" $word)
            if test -n "$entered"
                set at $entered
            else
                set position (math $position + 1)
            end
        end
    end

    if test -n "$pending"
        __imgctl_offer "$pending" '' $words "$current"
    else if string match -q -- '--*=*' $current
        set -l parts (string split -m 1 = -- $current)
        set -l kind (__imgctl_value "$at" $parts[1])
        test -n "$kind"
        and __imgctl_offer "$kind" "$parts[1]=" $words $parts
    else if string match -q -- '-*' $current
        __imgctl_switches "$at"
    else
        __imgctl_subcommands "$at"
        set -l operands (__imgctl_operands "$at")
        if test "$operands[-1]" = ...
            set -e operands[-1]
            test $position -gt (count $operands)
            and set position (count $operands)
        end
        test $position -le (count $operands)
        and __imgctl_offer "$operands[$position]" '' $words "$current"
    end
end

complete -c imgctl -f -a '(__imgctl_complete)'
`
