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
