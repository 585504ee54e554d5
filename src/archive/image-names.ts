import { familiarReference, tryParseReference } from '../oci/reference.ts'

/** The names that are references with a tag, as docker prints them, each once. */
export function taggedReferences(names: readonly string[]): string[] {
  const tagged = names.flatMap((name) => {
    const reference = tryParseReference(name)
    if ('rule' in reference || reference.tag === undefined || reference.digest !== undefined) return []
    return [familiarReference(reference)]
  })
  return [...new Set(tagged)]
}
