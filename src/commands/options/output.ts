import { ImgctlError } from '../../errors/error.ts'
import { type Format, parseFormat } from '../../terminal/format.ts'
import type { ProgressMode } from '../../terminal/progress.ts'
import type { OptionDefinition } from '../command.ts'
import { choice, flag } from './kinds.ts'

/** `--format`, on every command that prints records. */
export function format(absent: 'table' | 'json' = 'table'): OptionDefinition<Format> {
  return {
    flags: '-f, --format <format>',
    description: "table, json, yaml, or a template like '{{.Name}}'",
    absent: { kind: absent },
    absentText: absent,
    parse: (value) => {
      const parsed = parseFormat(value)
      if (parsed) return parsed
      throw new ImgctlError('USAGE', `unknown format ${JSON.stringify(value)}`, {
        hint: "table, json, yaml, or a template like '{{.Name}}'",
      })
    },
  }
}

export const quiet = flag('-q, --quiet', 'print ids only')

const PROGRESS_MODES = ['auto', 'tty', 'plain', 'json', 'none'] as const

export const progress: OptionDefinition<ProgressMode> = {
  ...choice('--progress <mode>', 'how progress is shown on stderr', PROGRESS_MODES),
  absent: 'auto',
  absentText: 'auto',
  parse: (value) => choice('--progress', '', PROGRESS_MODES).parse!(value, undefined) ?? 'auto',
}
