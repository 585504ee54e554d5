import { ImgctlError } from '../../errors/error.ts'

/** `warn`: works, but not for everything or not for long. `skip`: there was nothing to check. */
export type Status = 'ok' | 'warn' | 'fail' | 'skip'

/** What one check came to. */
export interface Finding {
  readonly status: Status
  /** One line. */
  readonly found: string
  readonly details?: readonly string[]
  /** What to do, as a command where there is one. */
  readonly fix?: string
}

export interface Check extends Finding {
  readonly name: string
}

export function ok(found: string, details: readonly string[] = []): Finding {
  return { status: 'ok', found, details }
}

export function warn(found: string, fix: string, details: readonly string[] = []): Finding {
  return { status: 'warn', found, fix, details }
}

export function fail(found: string, fix: string, details: readonly string[] = []): Finding {
  return { status: 'fail', found, fix, details }
}

export function skip(found: string): Finding {
  return { status: 'skip', found }
}

/** An error that a check ran into, as what it found: its hint is the fix. A bug in one check hides no other. */
export function failed(error: unknown): Finding {
  if (!(error instanceof ImgctlError)) {
    return { status: 'fail', found: error instanceof Error ? error.message : String(error) }
  }
  const { message, context, hint } = error
  return { status: 'fail', found: message, details: context, ...(hint === undefined ? {} : { fix: hint }) }
}

/** A word of a POSIX shell's command line. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
