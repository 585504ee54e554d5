import {
  type Command,
  createArgument,
  createCommand,
  createOption,
  type Option,
  type OutputConfiguration,
} from 'commander'
import type { AnyCommand, OptionDefinition } from '../commands/command.ts'
import type { GlobalFlags } from '../commands/context.ts'
import { type CommandNode, type GroupNode, TREE } from '../commands/tree.ts'
import { takeBooleanValues } from './boolean-values.ts'
import { VERSION } from './version.ts'

const GLOBAL_OPTIONS = [
  ['--profile <name>', 'the profile to use (IMGCTL_PROFILE)'],
  ['--server <url>', 'the server to talk to (IMGCTL_SERVER)'],
  ['--organization <id>', 'the organization to use, by id or slug (IMGCTL_ORGANIZATION)'],
  ['--ca-file <file>', 'trust the authorities in this PEM file too'],
  ['--insecure', 'do not check certificates: anybody in between can read and change everything'],
  [
    '--plain-http',
    'speak HTTP to servers and registries that are named without a scheme (always so on this machine)',
  ],
  ['--no-input', 'never ask; the default without a terminal'],
  ['--debug', 'show stacks and causes of errors'],
] as const

/** A command that was typed, with what its arguments and options were parsed to. */
export interface Invocation {
  readonly definition: AnyCommand
  readonly input: { readonly args: object; readonly options: object }
  readonly flags: GlobalFlags
}

/** The tree as Commander knows it. */
export interface CommandTree {
  readonly program: Command
  /** What was dispatched to last: where a usage error happened. */
  readonly current: () => Command
  /** Loads every command, for the documentation. @returns each leaf with its definition */
  readonly loadAll: () => Promise<ReadonlyMap<Command, AnyCommand>>
}

/**
 * The program with every name and summary. What a command takes is added when it is dispatched to, so that its file
 * is loaded then and no other's.
 *
 * @param invoke runs the command
 * @param output where Commander writes
 */
export function createCommandTree(
  invoke: (invocation: Invocation) => Promise<void>,
  output: OutputConfiguration,
): CommandTree {
  const program: Command = createCommand('imgctl')
    .description('Gets a container image from where you made it to where it runs.')
    .version(`imgctl ${VERSION}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command...]', 'show help for a command, or: help exit-codes')
    // Those of every command, and not those of a group that is a command too.
    .configureHelp({
      showGlobalOptions: true,
      visibleGlobalOptions: ({ parent }) => (parent ? [...program.options] : []),
    })
    .exitOverride()
    .configureOutput(output)
  for (const [flags, description] of GLOBAL_OPTIONS) program.option(flags, description)
  takeBooleanValues(program)

  const loaders = new Map<Command, () => Promise<AnyCommand>>()
  let current = program
  const addNodes = (parent: Command, nodes: readonly (CommandNode | GroupNode)[]): void => {
    parent.hook('preSubcommand', async (_, child) => {
      current = child
      await loaders.get(child)?.()
    })
    for (const node of nodes) {
      const command = parent.command(node.name).summary(node.summary).description(sentence(node.summary))
      if (node.heading) command.helpGroup(node.heading)
      command.aliases([...(node.aliases ?? [])])
      const { load } = node
      if (load) loaders.set(command, () => loadCommand(command, load))
      if (!('commands' in node)) continue
      addNodes(command.helpCommand(false), node.commands)
    }
  }
  const loadCommand = async (command: Command, load: CommandNode['load']): Promise<AnyCommand> => {
    const { default: definition } = await load()
    const readInput = define(command, definition)
    takeBooleanValues(command)
    command.action(() => {
      refuseOptionsOfGroup(command)
      return invoke({ definition, input: readInput(), flags: program.opts<GlobalFlags>() })
    })
    return definition
  }
  addNodes(program, TREE)
  return {
    program,
    current: () => current,
    loadAll: async () => {
      const loaded = new Map<Command, AnyCommand>()
      for (const [command, load] of loaders) loaded.set(command, await load())
      return loaded
    },
  }
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`
}

/** `imgctl image list` */
export function commandPath(command: Command): string {
  return command.parent ? `${commandPath(command.parent)} ${command.name()}` : command.name()
}

/** Gives a Commander command its arguments, options and examples. @returns what reads their values */
function define(command: Command, definition: AnyCommand): () => Invocation['input'] {
  if (definition.description) command.description(joinLines(definition.description))
  const names = Object.keys(definition.arguments)
  for (const { form, description } of Object.values(definition.arguments)) {
    command.addArgument(createArgument(form, description))
  }
  const options = Object.entries(definition.options).map(([key, option]) => {
    const made = toCommanderOption(option)
    command.addOption(made)
    const attribute = made.attributeName()
    // Commander holds `--no-cache` as `cache`, true unless it is given; a switch that is off unless it is given
    // means the contrary.
    const value = (given: Record<string, unknown>) =>
      made.negate && option.absent === false
        ? given[attribute] === false
        : (given[attribute] ?? option.absent)
    return { key, value }
  })
  command.addHelpText('after', `\nExamples:\n${definition.examples.map((line) => `  ${line}\n`).join('')}`)
  return () => {
    // An option that a group has too was read as the group's, wherever it stood.
    const given: Record<string, unknown> = Object.assign(
      {},
      ...groupsOf(command).map((group) => group.opts()),
      command.opts(),
    )
    return {
      args: Object.fromEntries(names.map((name, index) => [name, command.processedArgs[index]])),
      options: Object.fromEntries(options.map(({ key, value }) => [key, value(given)])),
    }
  }
}

/** `serve` and `user` of `serve user add`; the program itself is none. */
function groupsOf({ parent }: Command): readonly Command[] {
  return parent?.parent ? [...groupsOf(parent), parent] : []
}

/** A group that is a command too reads its own options from the whole line: those are not for its subcommands. */
function refuseOptionsOfGroup(command: Command): void {
  const known = new Set(command.options.map((option) => option.attributeName()))
  const given = groupsOf(command).flatMap((group) =>
    group.options.filter((option) => group.getOptionValueSource(option.attributeName()) === 'cli'),
  )
  const foreign = given.find((option) => !known.has(option.attributeName()))
  if (foreign)
    command.error(`error: unknown option '${foreign.long}'`, { code: 'commander.unknownOption', exitCode: 1 })
}

/** Paragraphs of any width: a line break in a definition is the source's, an empty line the author's. */
function joinLines(text: string): string {
  return text.replace(/([^\n])\n(?!\n)/g, '$1 ')
}

function toCommanderOption(definition: OptionDefinition<unknown>): Option {
  const { flags, description, absent, absentText, choices, hidden = false } = definition
  const notes = [choices?.join(', '), absentText === undefined ? undefined : `default: ${absentText}`]
  const note = notes.filter((part) => part !== undefined).join('; ')
  const option = createOption(flags, note ? `${description} (${note})` : description).hideHelp(hidden)
  const { parse } = definition
  return parse ? option.argParser((text: string, before: unknown) => parse(text, before ?? absent)) : option
}
