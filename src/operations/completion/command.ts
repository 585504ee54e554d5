/**
 * What may stand at a place of a command line, in words that the scripts of all shells share:
 *
 * - `any`: nothing can be offered
 * - `file`, `folder`: names on this machine
 * - `name`: images or profiles, which `imgctl __complete` is asked for
 * - `name-or-archive`: the same, and archives in the current folder
 * - `words a b c`: one of these
 */
export type ValueKind = 'any' | 'file' | 'folder' | 'name' | 'name-or-archive' | `words ${string}`

export interface CompletedOption {
  /** `-q`, `--quiet` */
  readonly names: readonly string[]
  readonly summary: string
  /** Undefined for a switch. */
  readonly value: ValueKind | undefined
}

export interface CompletedSubcommand {
  /** Its name and aliases. */
  readonly names: readonly string[]
  readonly summary: string
}

/** One command or group, as the scripts see it. */
export interface CompletedCommand {
  /** `image push`; empty for the program. */
  readonly path: string
  readonly subcommands: readonly CompletedSubcommand[]
  /** Also those that every command has. */
  readonly options: readonly CompletedOption[]
  readonly operands: readonly ValueKind[]
  /** The last operand may be given again. */
  readonly repeats: boolean
}

/** Every pair of a command and one of its options that takes a value. */
export function optionsWithValue(
  commands: readonly CompletedCommand[],
): { readonly path: string; readonly names: readonly string[]; readonly value: ValueKind }[] {
  return commands.flatMap(({ path, options }) =>
    options.flatMap(({ names, value }) => (value === undefined ? [] : [{ path, names, value }])),
  )
}

/** The path of each command under each of the words that lead to it from its group. */
export function waysIn(
  commands: readonly CompletedCommand[],
): { readonly path: string; readonly from: string; readonly names: readonly string[] }[] {
  return commands.flatMap(({ path: from, subcommands }) =>
    subcommands.map(({ names }) => ({ path: `${from} ${names[0]}`.trim(), from, names })),
  )
}
