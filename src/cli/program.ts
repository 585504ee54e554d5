/**
 * Runs one command line through Commander. To add a command:
 *
 * 1. A file `commands/<group>/<name>.ts` with `export default defineCommand({...})` (commands/command.ts):
 *    arguments, options, examples and `run(input, context)`. Options are made with commands/options/kinds.ts
 *    (`flag`, `text`, `duration` ...); options that several commands share are beside it. `input.args` and
 *    `input.options` have the types that these say. `context` is cli/context.ts.
 * 2. A line in commands/tree.ts: its name, aliases, summary, and how to load that file.
 * 3. `npm run docs`.
 *
 * Only the file of the command that was typed is loaded, for its help too: so `imgctl --help` costs Commander alone.
 */
import { type Command, CommanderError } from 'commander'
import { ImgctlError } from '../errors/error.ts'
import { commandPath, createCommandTree, type Invocation } from './command-tree.ts'
import { exitCodesText } from './exit-codes.ts'
import type { Host } from './host.ts'

/** Help is read as a column of text: wider lines are harder to read. */
const WIDEST_HELP = 110

/**
 * @returns when the command is done; help and versions count as done
 * @throws ImgctlError, or what a bug throws
 */
export async function runProgram(args: readonly string[], host: Host): Promise<void> {
  const { stdout } = host.streams
  if (args[0] === 'help' && args[1] === 'exit-codes') return stdout.write(exitCodesText())
  if (args[0] === '__complete') return (await import('./complete.ts')).printCompletions(args.slice(1), host)
  let helpOfGroup = ''
  const { program, current } = createCommandTree((invocation) => runCommand(invocation, host), {
    writeOut: (text) => stdout.write(text),
    writeErr: (text) => {
      helpOfGroup += text
    },
    outputError: () => {},
    getOutHelpWidth: () => Math.min(stdout.columns, WIDEST_HELP),
  })
  try {
    await program.parseAsync(helpAsOption(args, program), { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // A group without a command shows its help: that is an answer.
    if (error.code === 'commander.help') stdout.write(helpOfGroup)
    else if (error.exitCode !== 0) throw usageError(error, current())
  }
}

async function runCommand({ definition, input, flags }: Invocation, host: Host): Promise<void> {
  if (definition.stopWithinMs) host.allowStop(definition.stopWithinMs)
  const { createContext } = await import('./context.ts')
  const context = createContext(host, flags, wantsJsonProgress(input.options))
  try {
    await definition.run(input as never, context)
  } finally {
    await context.close()
  }
}

function wantsJsonProgress(options: object): boolean {
  return 'progress' in options && options.progress === 'json'
}

/** `help image list` as `image list --help`; an unknown topic as the unknown command that it is. */
function helpAsOption(args: readonly string[], program: Command): string[] {
  if (args[0] !== 'help') return [...args]
  const topic = args.slice(1)
  return isTopic(topic, program) ? [...topic, '--help'] : topic
}

function isTopic([first, ...rest]: readonly string[], { commands }: Command): boolean {
  if (first === undefined || commands.length === 0) return true
  const command = commands.find((each) => each.name() === first || each.aliases().includes(first))
  return command !== undefined && isTopic(rest, command)
}

/** Commander's words as an error of ours: `error: unknown option '--x'\n(Did you mean --y?)`. */
function usageError(error: CommanderError, command: Command): ImgctlError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n')
  const suggestion = rest.join(' ').replace(/^\(D/, 'd').replace(/\)$/, '')
  // A group that is a command too takes what is no subcommand for an argument.
  const isUnknown = error.code === 'commander.excessArguments' && command.commands.length > 0
  return new ImgctlError('USAGE', isUnknown ? `unknown command '${command.args[0]}'` : first, {
    hint: suggestion || `see ${commandPath(command)} --help`,
    cause: error,
  })
}
