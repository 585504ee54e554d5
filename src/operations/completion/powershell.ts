import { type CompletedCommand, optionsWithValue, waysIn } from './command.ts'

/** The script for PowerShell, from 5.1 on, with summaries. Where it offers nothing, PowerShell offers files. */
export function powershellScript(commands: readonly CompletedCommand[]): string {
  return `# PowerShell completion for imgctl, written by: imgctl completion powershell

Register-ArgumentCompleter -Native -CommandName imgctl -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $subcommands = @{
${table(commands, ({ subcommands }) => subcommands.map(({ names, summary }) => [names[0] ?? '', summary]))}
    }
    $switches = @{
${table(commands, ({ options }) => options.map(({ names, summary }) => [names.at(-1) ?? '', summary]))}
    }
    # The kind of each operand; dots say that the one before may be repeated.
    $operands = @{
${commands
  .filter(({ operands }) => operands.length > 0)
  .map(
    ({ path, operands, repeats }) =>
      `        ${quote(path)} = ${arrayOf([...operands, ...(repeats ? ['...'] : [])].map(quote))}`,
  )
  .join('\n')}
    }
    # The command that a word leads to.
    $ways = @{
${waysIn(commands)
  .flatMap(({ path, from, names }) =>
    names.map((name) => `        ${quote(`${from}/${name}`)} = ${quote(path)}`),
  )
  .join('\n')}
    }
    # The kind of the value of each option that takes one. Its letters' case counts.
    $values = New-Object System.Collections.Hashtable
${optionsWithValue(commands)
  .flatMap(({ path, names, value }) =>
    names.map((name) => `    $values[${quote(`${path}/${name}`)}] = ${quote(value)}`),
  )
  .join('\n')}

${MAIN}`
}

function table(
  commands: readonly CompletedCommand[],
  rows: (command: CompletedCommand) => readonly (readonly string[])[],
): string {
  return commands
    .flatMap((command) => {
      const list = arrayOf(rows(command).map((row) => arrayOf(row.map(quote))))
      return rows(command).length === 0 ? [] : [`        ${quote(command.path)} = ${list}`]
    })
    .join('\n')
}

/** The comma before keeps an array with one array in it what it is. */
function arrayOf(elements: readonly string[]): string {
  return elements.length === 1 && elements[0]?.startsWith('@')
    ? `@(,${elements[0]})`
    : `@(${elements.join(', ')})`
}

/** PowerShell takes typographic quotes for its own. */
function quote(text: string): string {
  return `'${text.replaceAll(/['\u2018-\u201b]/g, '$&$&')}'`
}

const MAIN = `    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text })
    $at = ''
    $position = 0
    $pending = $null
    foreach ($word in $words) {
        if ($pending) { $pending = $null }
        elseif ($word -like '-*=*') { continue }
        elseif ($word -like '-*') { $pending = $values["$at/$word"] }
        elseif ($ways.ContainsKey("$at/$word")) { $at = $ways["$at/$word"] }
        else { $position++ }
    }

    $given = $words + $wordToComplete
    $before = ''
    $current = $wordToComplete
    $pairs = @()
    $kind = $null
    if ($pending) { $kind = $pending }
    elseif ($wordToComplete -like '--*=*') {
        $option, $current = $wordToComplete -split '=', 2
        $before = "$option="
        $kind = $values["$at/$option"]
        $given = $words + $option + $current
    }
    elseif ($wordToComplete -like '-*') { $pairs = $switches[$at] }
    elseif ($subcommands.ContainsKey($at)) { $pairs = $subcommands[$at] }
    elseif ($operands.ContainsKey($at)) {
        $kinds = @($operands[$at] | Where-Object { $_ -ne '...' })
        if ($operands[$at][-1] -eq '...' -and $position -ge $kinds.Count) { $position = $kinds.Count - 1 }
        if ($position -lt $kinds.Count) { $kind = $kinds[$position] }
    }

    if ($kind -like 'words *') {
        $pairs = @(($kind -split ' ') | Select-Object -Skip 1 | ForEach-Object { , @($_, $_) })
    }
    elseif ($kind -like 'name*') {
        # PowerShell before 7.3 drops empty arguments: the quotes keep the last one.
        $asked = if ($current -eq '' -and $PSVersionTable.PSVersion -lt '7.3') { $given[0..($given.Count - 2)] + '""' } else { $given }
        $pairs = @(& imgctl __complete @asked 2>$null | Where-Object { $_ } | ForEach-Object { , @($_, $_) })
    }
    foreach ($pair in $pairs) {
        if (-not $pair[0].StartsWith($current, [StringComparison]::Ordinal)) { continue }
        $type = if ($pair[0].StartsWith('-')) { 'ParameterName' } else { 'ParameterValue' }
        [System.Management.Automation.CompletionResult]::new($before + $pair[0], $pair[0], $type, $pair[1])
    }
}
`
