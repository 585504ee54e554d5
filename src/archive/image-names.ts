import { familiarReference, tryParseReference } from '../oci/reference.ts'

/** The names that are references with a tag, as docker prints them, each once. */
export function taggedReferences(names: readonly string[]): string[] {
  return [...new Set(names.flatMap((name) => taggedReference(name) ?? []))]
}

/** The names that are references with a tag, as they are written. */
export function taggedNames(names: readonly string[]): string[] {
  return names.filter((name) => taggedReference(name) !== undefined)
}

function taggedReference(name: string): string | undefined {
  const reference = tryParseReference(name)
  if ('rule' in reference || reference.tag === undefined || reference.digest !== undefined) return undefined
  return familiarReference(reference)
}
