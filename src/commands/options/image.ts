import { ImgctlError } from '../../errors/error.ts'
import type { OptionDefinition } from '../command.ts'
import { choice, duration, negation, text, usage } from './kinds.ts'
import { splitWords } from './words.ts'

/** How long the server may take before the command stops waiting for it. */
const DEFAULT_WAIT = '10m'

export const name = text('--name <name:tag>', "the image's name on the server")

/** `--entrypoint "sleep infinity"` or `--entrypoint '["sleep","infinity"]'`. */
export const entrypoint: OptionDefinition<readonly string[] | undefined> = {
  flags: '-e, --entrypoint <command>',
  description: 'the command that runs in the image: words as a shell splits them, or a JSON array',
  absent: undefined,
  parse: parseEntrypoint,
}

export const labels: OptionDefinition<Readonly<Record<string, string>>> = {
  flags: '--label <key=value>',
  description: 'a label for the image; may be given again',
  absent: {},
  parse(value, before) {
    const equals = value.indexOf('=')
    if (equals < 1) throw usage('--label', value, 'key=value')
    return { ...before, [value.slice(0, equals)]: value.slice(equals + 1) }
  },
}

export const description = text('--description <text>', 'what the image is, for people')

export const visibility = choice('--visibility <who>', 'who may pull', ['private', 'public'])

export const wait = negation('--no-wait', 'do not wait until the server has validated the image')

export const timeout = duration('--timeout <time>', 'how long to wait for the server', DEFAULT_WAIT)

function parseEntrypoint(value: string): readonly string[] {
  const words = value.trimStart().startsWith('[') ? parseJsonWords(value) : splitWords(value)
  if (words === undefined) throw usage('--entrypoint', value, 'words with closed quotes, or a JSON array')
  if (words.length === 0) throw new ImgctlError('USAGE', '--entrypoint needs a value')
  return words
}

function parseJsonWords(value: string): readonly string[] | undefined {
  try {
    const parsed: unknown = JSON.parse(value)
    return Array.isArray(parsed) && parsed.every((word) => typeof word === 'string') ? parsed : undefined
  } catch {
    return undefined
  }
}
