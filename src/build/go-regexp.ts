/**
 * Regular expressions of Go (https://github.com/google/re2/wiki/Syntax) as those of JavaScript: as much of them
 * as can come out of an ignore pattern, where the user's classes `[...]` and escapes `\x` are passed on as they
 * are. `\d` in an ignore file is a digit because of that.
 */

type Range = readonly [first: number, last: number]

const MAX_CODE_POINT = 0x10ffff

const DIGIT: readonly Range[] = [[0x30, 0x39]]
const UPPER: readonly Range[] = [[0x41, 0x5a]]
const LOWER: readonly Range[] = [[0x61, 0x7a]]
const WORD: readonly Range[] = [...DIGIT, ...UPPER, ...LOWER, [0x5f, 0x5f]]
const PERL_SPACE: readonly Range[] = [
  [0x09, 0x0a],
  [0x0c, 0x0d],
  [0x20, 0x20],
]

/** `\d`, `\D` and so on: sets of ASCII in Go. */
const PERL_CLASSES: Readonly<Record<string, readonly Range[]>> = {
  d: DIGIT,
  D: complement(DIGIT),
  s: PERL_SPACE,
  S: complement(PERL_SPACE),
  w: WORD,
  W: complement(WORD),
}

const NAMED_CLASSES: Readonly<Record<string, readonly Range[]>> = {
  alnum: [...DIGIT, ...UPPER, ...LOWER],
  alpha: [...UPPER, ...LOWER],
  ascii: [[0, 0x7f]],
  blank: [
    [0x09, 0x09],
    [0x20, 0x20],
  ],
  cntrl: [
    [0, 0x1f],
    [0x7f, 0x7f],
  ],
  digit: DIGIT,
  graph: [[0x21, 0x7e]],
  lower: LOWER,
  print: [[0x20, 0x7e]],
  punct: [
    [0x21, 0x2f],
    [0x3a, 0x40],
    [0x5b, 0x60],
    [0x7b, 0x7e],
  ],
  space: [
    [0x09, 0x0d],
    [0x20, 0x20],
  ],
  upper: UPPER,
  word: WORD,
  xdigit: [...DIGIT, [0x41, 0x46], [0x61, 0x66]],
}

const CONTROL_ESCAPES: Readonly<Record<string, number>> = { a: 7, t: 9, n: 10, v: 11, f: 12, r: 13 }

/** Escapes outside of classes that stand for a place, not for a character. */
const ANCHORS: Readonly<Record<string, string>> = { b: '\\b', B: '\\B', A: '^', z: '$' }

/** @returns undefined when Go refuses the expression, or when it uses what no file name needs (`\p`, `\Q`, `\x`) */
export function fromGoRegexp(source: string): RegExp | undefined {
  const translated = new Translator(Array.from(source)).all()
  try {
    return translated === undefined ? undefined : new RegExp(translated, 'u')
  } catch {
    // A repetition of nothing or of a repetition.
    return undefined
  }
}

class Translator {
  readonly #source: readonly string[]
  #at = 0

  constructor(source: readonly string[]) {
    this.#source = source
  }

  all(): string | undefined {
    let out = ''
    while (this.#at < this.#source.length) {
      const piece = this.#piece()
      if (piece === undefined) return undefined
      out += piece
    }
    return out
  }

  #piece(): string | undefined {
    const char = this.#source[this.#at++]!
    if (char === '[') return this.#class()
    if (char === '.') return '[^\\n]'
    if ('^$()?*|'.includes(char)) return char
    if (char === '{') return this.#repetition() ?? literal(char.charCodeAt(0))
    if (char !== '\\') return literal(char.codePointAt(0)!)
    const escaped = this.#source[this.#at]
    if (escaped !== undefined && escaped in ANCHORS) {
      this.#at++
      return ANCHORS[escaped]
    }
    const set = this.#escape()
    return set === undefined ? undefined : written(set)
  }

  /** `{2}`, `{2,}` or `{2,3}`; undefined when the brace is a plain one. */
  #repetition(): string | undefined {
    const found = /^\d{1,4}(,\d{0,4})?\}/.exec(this.#source.slice(this.#at, this.#at + 10).join(''))
    if (found === null) return undefined
    this.#at += found[0].length
    return `{${found[0]}`
  }

  /** What follows a backslash. */
  #escape(): readonly Range[] | undefined {
    const char = this.#source[this.#at++]
    if (char === undefined) return undefined
    if (char in PERL_CLASSES) return PERL_CLASSES[char]
    if (char in CONTROL_ESCAPES) return only(CONTROL_ESCAPES[char]!)
    return char < '\x80' && !/[0-9A-Za-z]/.test(char) ? only(char.charCodeAt(0)) : undefined
  }

  #class(): string | undefined {
    const negated = this.#source[this.#at] === '^'
    if (negated) this.#at++
    const ranges: Range[] = []
    for (let first = true; first || this.#source[this.#at] !== ']'; first = false) {
      const item = this.#named() ?? this.#item()
      if (item === undefined) return undefined
      ranges.push(...item)
    }
    this.#at++
    return written(negated ? complement(ranges) : ranges)
  }

  /** `[:alpha:]` inside of a class; undefined when there is none. */
  #named(): readonly Range[] | undefined {
    const found = /^\[:(\^?)(\w+):\]/.exec(this.#source.slice(this.#at, this.#at + 12).join(''))
    const set = found === null ? undefined : NAMED_CLASSES[found[2]!]
    if (found === null || set === undefined) return undefined
    this.#at += found[0].length
    return found[1] === '^' ? complement(set) : set
  }

  /** A character, a range, or an escaped set. */
  #item(): readonly Range[] | undefined {
    const first = this.#member()
    if (first === undefined) return undefined
    const single = first.length === 1 && first[0]![0] === first[0]![1]
    const next = this.#source[this.#at + 1]
    if (!single || this.#source[this.#at] !== '-' || next === undefined || next === ']') return first
    this.#at++
    const last = this.#member()
    if (last?.length !== 1 || last[0]![0] !== last[0]![1] || last[0]![0] < first[0]![0]) return undefined
    return [[first[0]![0], last[0]![0]]]
  }

  #member(): readonly Range[] | undefined {
    const char = this.#source[this.#at++]
    if (char === undefined) return undefined
    return char === '\\' ? this.#escape() : only(char.codePointAt(0)!)
  }
}

function only(code: number): readonly Range[] {
  return [[code, code]]
}

function complement(ranges: readonly Range[]): readonly Range[] {
  const sorted = [...ranges].sort(([a], [b]) => a - b)
  const gaps: Range[] = []
  let from = 0
  for (const [first, last] of sorted) {
    if (first > from) gaps.push([from, first - 1])
    from = Math.max(from, last + 1)
  }
  if (from <= MAX_CODE_POINT) gaps.push([from, MAX_CODE_POINT])
  return gaps
}

function written(ranges: readonly Range[]): string {
  return `[${ranges.map(([first, last]) => `${literal(first)}-${literal(last)}`).join('')}]`
}

function literal(code: number): string {
  return `\\u{${code.toString(16)}}`
}
