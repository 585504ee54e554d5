import type { Command, Option } from 'commander'
import type { AnyCommand } from '../commands/command.ts'
import type { CompletedCommand, CompletedOption } from '../operations/completion/command.ts'
import { valueKind } from '../operations/completion/value-kind.ts'
import { createCommandTree } from './command-tree.ts'

/** Every command of the tree, the program first, as completion sees it. Loads the file of each. */
export async function completedCommands(): Promise<CompletedCommand[]> {
  const { program, loadAll } = createCommandTree(async () => {}, {})
  const definitions = await loadAll()
  const globals = [...program.options.filter(({ long }) => long !== VERSION), HELP].map((option) =>
    completedOption(option, undefined),
  )
  return descendants(program).map((command) => completedCommand(program, command, definitions, globals))
}

type Shown = Pick<Option, 'short' | 'long' | 'flags' | 'description'>

/** Commander does not count it among a command's options. */
const HELP: Shown = { short: '-h', long: '--help', flags: '-h, --help', description: 'show help' }
/** Of the program alone, in contrast to its other options. */
const VERSION = '--version'

function descendants(command: Command): Command[] {
  return [command, ...command.commands.flatMap(descendants)]
}

function completedCommand(
  program: Command,
  command: Command,
  definitions: ReadonlyMap<Command, AnyCommand>,
  globals: readonly CompletedOption[],
): CompletedCommand {
  const definition = definitions.get(command)
  const own = command.options.filter(({ hidden, long }) => (command === program ? long === VERSION : !hidden))
  const operands = command.registeredArguments
  return {
    path: pathBelow(program, command),
    subcommands: command.commands.map((child) => ({
      names: [child.name(), ...child.aliases()],
      summary: child.summary(),
    })),
    options: [...own.map((option) => completedOption(option, definition)), ...globals],
    operands: operands.map((operand, index) =>
      valueKind({
        placeholder: operand.name(),
        description: operand.description,
        choices: Object.values(definition?.arguments ?? {})[index]?.choices,
      }),
    ),
    repeats: operands.at(-1)?.variadic ?? false,
  }
}

function pathBelow(program: Command, command: Command): string {
  if (command === program || command.parent === null) return ''
  return `${pathBelow(program, command.parent)} ${command.name()}`.trim()
}

function completedOption(
  { short, long, flags, description }: Shown,
  definition: AnyCommand | undefined,
): CompletedOption {
  const names = [short, long].filter((name) => name !== undefined)
  const placeholder = /[<[]([^\]>]+)[\]>]/.exec(flags)?.[1]?.replace('...', '')
  const options = Object.values(definition?.options ?? {})
  const choices = options.find((option) => option.flags === flags)?.choices
  // Values that help lists behind a description are choices, not part of it.
  const summary = description.replace(/ \([^()]*\)$/, '')
  if (placeholder === undefined) return { names, summary, value: undefined }
  return { names, summary, value: valueKind({ placeholder, description, choices }) }
}
