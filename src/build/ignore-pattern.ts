import { fromGoRegexp } from './go-regexp.ts'

/** One line of an ignore file, ready to be asked. */
export interface IgnorePattern {
  /** Whether it is an exception: a line that begins with `!`. */
  readonly exception: boolean
  readonly matches: (path: string) => boolean
  /** Every path that matches begins with this text. */
  readonly prefix: string
}

/**
 * What moby makes plain for its regular expressions. It means to do so with `{|}` too and does not: next to a star
 * they mean what they mean to Go, so `a|b*` is everything that begins with a, or ends.
 */
const PLAIN = '.+()$'

type Kind = 'exact' | 'prefix' | 'suffix' | 'regexp'

/**
 * A cleaned pattern without its `!`, with the meaning that moby gives it, oddities included
 * (https://github.com/moby/patternmatcher): `**` at the start compares the end of the path, `**` at the end its
 * start, and anything else is a regular expression of Go.
 *
 * @returns undefined when Go would refuse the pattern
 */
export function compilePattern(pattern: string, exception: boolean): IgnorePattern | undefined {
  if (!isWellFormed(pattern)) return undefined
  const { kind, source } = translate(pattern)
  switch (kind) {
    case 'exact':
      return { exception, prefix: pattern, matches: (path) => path === pattern }
    case 'prefix': {
      const start = pattern.slice(0, -2)
      return { exception, prefix: start, matches: (path) => path.startsWith(start) }
    }
    case 'suffix': {
      const end = pattern.slice(2)
      const whole = end.startsWith('/') ? end.slice(1) : undefined
      return { exception, prefix: '', matches: (path) => path.endsWith(end) || path === whole }
    }
    case 'regexp': {
      const regexp = fromGoRegexp(`^${source}$`)
      return regexp && { exception, prefix: plainStart(pattern), matches: (path) => regexp.test(path) }
    }
  }
}

/** The text that every match of a pattern begins with. */
function plainStart(pattern: string): string {
  return /[{|]/.test(pattern) ? '' : /^[^*?[\]\\^]*/.exec(pattern)![0]
}

/** The regular expression that moby makes of a pattern, and whether it uses it at all. */
function translate(pattern: string): { kind: Kind; source: string } {
  const chars = Array.from(pattern)
  let kind: Kind = 'exact'
  let source = ''
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i]!
    if (char === '*' && chars[i + 1] === '*') {
      const start = i === 0
      i += chars[i + 2] === '/' ? 2 : 1
      if (i < chars.length - 1) {
        source += '(.*/)?'
        kind = 'regexp'
      } else if (kind === 'exact') {
        kind = 'prefix'
      } else {
        source += '.*'
        kind = 'regexp'
      }
      if (start) kind = 'suffix'
    } else if (char === '*') {
      source += '[^/]*'
      kind = 'regexp'
    } else if (char === '?') {
      source += '[^/]'
      kind = 'regexp'
    } else if (PLAIN.includes(char)) {
      source += `\\${char}`
    } else if (char === '\\') {
      source += `\\${chars[++i] ?? ''}`
      kind = 'regexp'
    } else {
      source += char
      if (char === '[' || char === ']') kind = 'regexp'
    }
  }
  return { kind, source }
}

/** What Go's path.Match accepts: classes that end and are not empty, no backslash at the end. */
function isWellFormed(pattern: string): boolean {
  const chars = Array.from(pattern)
  let i = 0
  /** Reads a member of a class. */
  const member = (): boolean => {
    if (chars[i] === undefined || chars[i] === '-' || chars[i] === ']') return false
    if (chars[i] === '\\') i++
    i++
    return i < chars.length
  }
  while (i < chars.length) {
    const char = chars[i++]
    if (char === '\\' && i++ >= chars.length) return false
    if (char !== '[') continue
    if (chars[i] === '^') i++
    for (let count = 0; count === 0 || chars[i] !== ']'; count++) {
      if (!member()) return false
      if (chars[i] === '-') {
        i++
        if (!member()) return false
      }
    }
    i++
  }
  return true
}
