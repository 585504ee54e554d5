/**
 * Splits a command line into words as a POSIX shell does: quotes group, a backslash takes the next character as
 * it is (inside double quotes only before `"` and `\`). Nothing is expanded. Undefined when a quote stays open.
 */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!
    if (character === '\\' && quote !== "'" && takesNext(line[i + 1], quote)) {
      word = (word ?? '') + line[++i]!
    } else if (quote !== undefined) {
      if (character === quote) quote = undefined
      else word = (word ?? '') + character
    } else if (character === '"' || character === "'") {
      quote = character
      word ??= ''
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + character
    }
  }
  if (quote !== undefined) return undefined
  if (word !== undefined) words.push(word)
  return words
}

function takesNext(next: string | undefined, quote: string | undefined): boolean {
  return next !== undefined && (quote === undefined || next === '"' || next === '\\')
}
