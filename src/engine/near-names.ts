/** More suggestions than this are noise. */
const MAX_SUGGESTIONS = 3
/** A name that differs in more than a third of its characters is another name, not a slip. */
const MAX_DIFFERENCE = 1 / 3

/** The names of `known` that `wanted` may have meant, the nearest first. Same repository counts as near. */
export function nearNames(wanted: string, known: readonly string[]): string[] {
  return [...new Set(known)]
    .map((name) => ({ name, difference: difference(wanted, name) }))
    .filter((candidate) => candidate.difference <= MAX_DIFFERENCE)
    .sort((a, b) => a.difference - b.difference || a.name.localeCompare(b.name))
    .slice(0, MAX_SUGGESTIONS)
    .map((candidate) => candidate.name)
}

/** From 0 (the same) to 1. Another tag, or another folder or registry before the same name, is a small difference. */
function difference(wanted: string, name: string): number {
  const length = Math.max(wanted.length, name.length)
  const spelling = editDistance(wanted, name) / length
  const sameRepository = withoutTag(wanted) === withoutTag(name)
  const sameEnding = lastComponent(wanted) === lastComponent(name)
  return sameRepository || sameEnding ? Math.min(spelling, MAX_DIFFERENCE) : spelling
}

function withoutTag(name: string): string {
  return name.replace(/:[^/:]*$/, '')
}

function lastComponent(name: string): string {
  return withoutTag(name).slice(withoutTag(name).lastIndexOf('/') + 1)
}

/** Levenshtein's distance: the fewest insertions, deletions and replacements that make `b` of `a`. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1))
    }
    previous = current
  }
  return previous[b.length]!
}
