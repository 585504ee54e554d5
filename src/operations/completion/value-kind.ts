import type { ValueKind } from './command.ts'

/** How help names a value, and what can then be offered for it. */
const PLACEHOLDERS: Readonly<Record<string, ValueKind>> = {
  file: 'file',
  dockerfile: 'file',
  archive: 'file',
  dir: 'folder',
  folder: 'folder',
  context: 'folder',
  image: 'name',
  source: 'name',
  profile: 'name',
  registry: 'name',
}
const FORMATS = 'words table json yaml'

export interface Described {
  /** `image`: without brackets and dots. */
  readonly placeholder: string
  readonly description: string
  readonly choices?: readonly string[] | undefined
}

/**
 * What can be offered for a value, from what the command's definition says of it: its choices, or else how help names
 * it. Help says too whether an image may be an archive, and whose name a name is.
 */
export function valueKind({ placeholder, description, choices }: Described): ValueKind {
  if (choices) return `words ${choices.join(' ')}`
  if (placeholder === 'format') return FORMATS
  if (placeholder === 'name' && /\bprofile\b/.test(description)) return 'name'
  const kind = PLACEHOLDERS[placeholder] ?? 'any'
  if (kind !== 'name') return kind
  if (/\barchive\b/i.test(description)) return 'name-or-archive'
  return /\bfile\b/.test(description) ? 'file' : 'name'
}
