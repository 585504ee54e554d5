/**
 * The Commander program, made from the tree in commands/tree.ts. To add a command:
 *
 * 1. A file `commands/<group>/<name>.ts` with `export default defineCommand({...})` (commands/command.ts):
 *    arguments, options, examples and `run(input, context)`. Options are made with commands/options/kinds.ts
 *    (`flag`, `text`, `duration` ...); options that several commands share are beside it. `input.args` and
 *    `input.options` have the types that these say. `context` is cli/context.ts.
 * 2. A line in commands/tree.ts: its name, aliases, summary, and how to load that file.
 *
 * Only the file of the command that was typed is loaded, for its help too: so `imgctl --help` costs Commander alone.
 */
import { type Command, CommanderError, createArgument, createCommand, createOption } from 'commander'
import type { AnyCommand, OptionDefinition } from '../commands/command.ts'
import { type CommandNode, type GroupNode, TREE } from '../commands/tree.ts'
import { ImgctlError } from '../errors/error.ts'
import type { GlobalFlags } from './context.ts'
import { exitCodesText } from './exit-codes.ts'
import type { Host } from './host.ts'
import { VERSION } from './version.ts'

const GLOBAL_OPTIONS = [
  ['--profile <name>', 'the profile to use (IMGCTL_PROFILE)'],
  ['--server <url>', 'the server to talk to (IMGCTL_SERVER)'],
  ['--no-input', 'never ask; the default without a terminal'],
  ['--debug', 'show stacks and causes of errors'],
] as const

/**
 * Runs one command line.
 *
 * @returns 0, also after help; every failure is thrown
 * @throws ImgctlError, or what a bug throws
 */
export async function runProgram(args: readonly string[], host: Host): Promise<number> {
  if (args[0] === 'help' && args[1] === 'exit-codes') {
    host.streams.stdout.write(exitCodesText())
    return 0
  }
  let help = ''
  const program = createProgram(host, (text) => {
    help += text
  })
  try {
    await program.parseAsync(helpAsOption(args), { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0 && error.code !== 'commander.help') throw usageError(error, args)
    // A group without a command shows its help: that is an answer.
    host.streams.stdout.write(help)
  }
  return 0
}

/** The program with every name and summary; what a command takes is added when it is dispatched to, or by `loadAll`. */
export function createProgram(host: Host, onHelp: (text: string) => void): Command {
  const program = createCommand('imgctl')
    .description('Gets a container image from where you made it to where it runs.')
    .version(`imgctl ${VERSION}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command...]', 'show help for a command, or: help exit-codes')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.streams.stdout.write(text),
      writeErr: onHelp,
      outputError: () => {},
      getOutHelpWidth: () => Math.min(host.streams.stdout.columns, 110),
    })
  for (const [flags, description] of GLOBAL_OPTIONS) program.option(flags, description)
  addNodes(program, TREE, { host, program })
  return program
}

/** Loads every command, for the documentation. */
export async function loadAll(command: Command): Promise<void> {
  for (const child of command.commands) {
    await LOADERS.get(child)?.()
    await loadAll(child)
  }
}

const LOADERS = new WeakMap<Command, () => Promise<void>>()

interface Root {
  readonly host: Host
  readonly program: Command
}

function addNodes(parent: Command, nodes: readonly (CommandNode | GroupNode)[], root: Root): void {
  parent.hook('preSubcommand', (_, child) => LOADERS.get(child)?.())
  for (const node of nodes) {
    const command = parent.command(node.name).summary(node.summary).description(node.summary)
    if (node.heading) command.helpGroup(node.heading)
    command.aliases([...(node.aliases ?? [])])
    if ('commands' in node) {
      command.helpCommand(false)
      addNodes(command, node.commands, root)
    } else {
      LOADERS.set(command, async () => addDefinition(command, (await node.load()).default, root))
    }
  }
}

function addDefinition(command: Command, definition: AnyCommand, { host, program }: Root): void {
  if (definition.description) command.description(definition.description)
  const names = Object.keys(definition.arguments)
  for (const { form, description } of Object.values(definition.arguments)) {
    command.addArgument(createArgument(form, description))
  }
  const options = Object.entries(definition.options).map(([key, option]) => {
    const made = toCommanderOption(option)
    command.addOption(made)
    return { key, name: made.attributeName(), absent: option.absent }
  })
  if (definition.examples.length > 0) {
    command.addHelpText('after', `\nExamples:\n${definition.examples.map((line) => `  ${line}\n`).join('')}`)
  }
  command.action(async () => {
    const given = command.opts<Record<string, unknown>>()
    const input = {
      args: Object.fromEntries(names.map((name, index) => [name, command.processedArgs[index]])),
      options: Object.fromEntries(options.map(({ key, name, absent }) => [key, given[name] ?? absent])),
    }
    if (definition.stopWithinMs) host.allowStop(definition.stopWithinMs)
    const { createContext } = await import('./context.ts')
    const context = createContext(host, program.opts<GlobalFlags>())
    try {
      await definition.run(input as never, context)
    } finally {
      await context.close()
    }
  })
}

function toCommanderOption({
  flags,
  description,
  absent,
  absentText,
  choices,
  parse,
  hidden,
}: OptionDefinition<unknown>) {
  const notes = [choices?.join(', '), absentText === undefined ? undefined : `default: ${absentText}`]
  const note = notes.filter((part) => part !== undefined).join('; ')
  const option = createOption(flags, note ? `${description} (${note})` : description)
  if (parse) option.argParser((text: string, before: unknown) => parse(text, before ?? absent))
  return option.hideHelp(hidden ?? false)
}

/** `help image list` as `image list --help`. */
function helpAsOption(args: readonly string[]): string[] {
  return args[0] === 'help' ? [...args.slice(1), '--help'] : [...args]
}

/** Commander's words as an error of ours: `error: unknown option '--x'\n(Did you mean --y?)`. */
function usageError(error: CommanderError, args: readonly string[]): ImgctlError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n')
  const suggestion = rest.join(' ').replace(/^\(|\)$/g, '')
  const command = args.filter((arg) => /^[a-z][a-z-]*$/.test(arg)).slice(0, 1)
  const help = `see: ${['imgctl', ...command, '--help'].join(' ')}`
  return new ImgctlError('USAGE', first, {
    hint: suggestion === '' ? help : `${suggestion.replace(/^D/, 'd')}`,
    cause: error,
  })
}
