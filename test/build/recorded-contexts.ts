import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a builder saw, as listTar of list-tar.ts says it, or why it refused. */
export type Recorded = readonly string[] | { readonly error: string }

export interface Recording {
  readonly buildkit: Recorded
  readonly classic: Recorded
}

/** By the names of CONTEXT_CASES; made by record-context-cases.ts, never by hand. */
export function readRecordings(): Readonly<Record<string, Recording>> {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'recorded-contexts.json'), 'utf8'))
}

/**
 * Where BuildKit's client goes wrong and the classic one does not: it makes an empty file of a socket, takes an
 * ignore file that it cannot read for none, and fails without a reason on a carriage return in a pattern.
 */
export const AS_CLASSIC: ReadonlySet<string> = new Set([
  'a socket',
  'an ignore file that is a folder',
  'CR alone does not end a line',
])
