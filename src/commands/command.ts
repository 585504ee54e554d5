import type { CommandContext } from './context.ts'

/** An option as help shows it, and how its text becomes a value of type `V`. */
export interface OptionDefinition<V> {
  /** Commander's form: `-q, --quiet`, `--name <name>`, `--no-wait`. */
  readonly flags: string
  readonly description: string
  /** The value when the option is not given. */
  readonly absent: V
  /** How help writes `absent`; nothing is written when it is missing. */
  readonly absentText?: string
  readonly choices?: readonly string[]
  /** @throws ImgctlError USAGE. `before` is what earlier uses of the option made. */
  parse?(text: string, before: V): V
  /** Accepted but not shown. */
  readonly hidden?: boolean
}

/** A positional argument. Arguments are taken in the order of the definition's keys. */
export interface ArgumentDefinition<V> {
  /** `<image>`, `[image]` or `<image...>`. */
  readonly form: string
  readonly description: string
  /** The values there are, for completion. */
  readonly choices?: readonly string[]
  /** Never set: it carries the type of the value. */
  readonly value?: V
}

type Options = Readonly<Record<string, OptionDefinition<unknown>>>
type Arguments = Readonly<Record<string, ArgumentDefinition<unknown>>>
type OptionValues<O> = { readonly [K in keyof O]: O[K] extends OptionDefinition<infer V> ? V : never }
type ArgumentValues<A> = { readonly [K in keyof A]: A[K] extends ArgumentDefinition<infer V> ? V : never }

export interface Input<A, O> {
  readonly args: ArgumentValues<A>
  readonly options: OptionValues<O>
}

/**
 * One command. Its file is loaded when the command runs or its own help is shown, never for another command's,
 * so it imports what it needs at the top. Name, aliases and summary are in tree.ts.
 */
export interface CommandDefinition<A, O> {
  /** The text under the usage line of `--help`; the summary when absent. */
  readonly description?: string
  readonly arguments: A
  /** The options that every command has (cli/command-tree.ts) are not listed. */
  readonly options: O
  /** Whole command lines that work. */
  readonly examples: readonly string[]
  /** How long the command may take to stop after SIGINT or SIGTERM; 400 ms when absent. */
  readonly stopWithinMs?: number
  /** Prints through `context.streams`; fails by throwing ImgctlError, which decides the exit code. */
  readonly run: (input: Input<A, O>, context: CommandContext) => Promise<void>
}

/** Any command, for code that only passes its values on: `input` is what `arguments` and `options` made. */
export interface AnyCommand extends Omit<CommandDefinition<Arguments, Options>, 'run'> {
  readonly run: (input: never, context: CommandContext) => Promise<void>
}

/** Gives `run` the types of the arguments and options. */
export function defineCommand<const A extends Arguments, const O extends Options>(
  definition: CommandDefinition<A, O>,
): CommandDefinition<A, O> {
  return definition
}
