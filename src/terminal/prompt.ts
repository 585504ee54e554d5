import { makeVisible } from '../internal/control-characters.ts'
import type { Streams } from './streams.ts'

/**
 * Asks yes or no on stderr; no is the default. Only for `streams.interactive`: without a person there is nobody to
 * ask. Rejects with the signal's reason when it aborts.
 */
export async function askYesNo(streams: Streams, question: string, signal: AbortSignal): Promise<boolean> {
  const { confirm } = await import('@inquirer/prompts')
  return ask(signal, () =>
    confirm(
      { message: makeVisible(question), default: false },
      { input: streams.stdin, output: streams.stderr.raw, signal },
    ),
  )
}

/** Asks for a secret; what is typed is not shown. As `askYesNo` otherwise. */
export async function askSecret(streams: Streams, question: string, signal: AbortSignal): Promise<string> {
  const { password } = await import('@inquirer/prompts')
  return ask(signal, () =>
    password(
      { message: makeVisible(question), mask: '*' },
      { input: streams.stdin, output: streams.stderr.raw, signal },
    ),
  )
}

/** One answer of several. */
export interface Choice<V extends string> {
  readonly value: V
  readonly name: string
  /** Shown while the choice is marked. */
  readonly description?: string
}

/** Asks for one of several; the first is marked. As `askYesNo` otherwise. */
export async function choose<V extends string>(
  streams: Streams,
  question: string,
  choices: readonly Choice<V>[],
  signal: AbortSignal,
): Promise<V> {
  const { select } = await import('@inquirer/prompts')
  return ask(signal, () =>
    select<V>(
      { message: makeVisible(question), choices: [...choices] },
      { input: streams.stdin, output: streams.stderr.raw, signal },
    ),
  )
}

/** Ctrl-C was pressed while a question was open: the terminal is raw then, so no signal came. */
export class PromptInterrupted extends Error {}

async function ask<T>(signal: AbortSignal, question: () => Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof Error && error.name === 'ExitPromptError') throw new PromptInterrupted()
    throw error
  }
}
