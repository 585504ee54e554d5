import type { ValueKind } from './command.ts'

/** How help names a value, and what can then be offered for it. */
const PLACEHOLDERS: Readonly<Record<string, ValueKind>> = {
  file: 'file',
  archive: 'file',
  dir: 'folder',
  folder: 'folder',
  context: 'folder',
  image: 'name',
  profile: 'name',
}
const FORMATS = 'words table json yaml'

export interface Described {
  /** `image`: without brackets and dots. */
  readonly placeholder: string
  readonly description: string
  readonly choices?: readonly string[] | undefined
}

/**
 * What can be offered for a value, from what the command's definition says of it. A description that is a list, as in
 * `bash, zsh or fish`, is a choice too.
 */
export function valueKind({ placeholder, description, choices }: Described): ValueKind {
  const words = choices ?? listedWords(description)
  if (words) return `words ${words.join(' ')}`
  if (placeholder === 'format') return FORMATS
  if (placeholder === 'name' && /\bprofile\b/.test(description)) return 'name'
  const kind = PLACEHOLDERS[placeholder] ?? 'any'
  return kind === 'name' && /archive/i.test(description) ? 'name-or-archive' : kind
}

function listedWords(description: string): string[] | undefined {
  return /^[\w-]+(?:, [\w-]+)+,? or [\w-]+$/.test(description) ? description.split(/,? or |, /) : undefined
}
