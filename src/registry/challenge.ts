/** One entry of `WWW-Authenticate`. https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1 */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string
  /** Names in lower case, values without quotes and escapes. */
  readonly parameters: ReadonlyMap<string, string>
}

const SEPARATORS = /[\s,]*/y
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const EQUALS = /[ \t]*=[ \t]*/y
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y
const TOKEN68 = /[ \t]+[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)/y

/** Parses all challenges of an answer, in their order. What is malformed ends the parsing, silently. */
export function parseChallenges(headers: readonly string[]): Challenge[] {
  const text = headers.join(', ')
  const challenges: { scheme: string; parameters: Map<string, string> }[] = []
  let position = 0
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = position
    const match = pattern.exec(text)
    if (match) position = pattern.lastIndex
    return match ?? undefined
  }
  for (;;) {
    take(SEPARATORS)
    const name = take(TOKEN)?.[0]
    if (name === undefined) return challenges
    const current = challenges.at(-1)
    if (current && take(EQUALS)) {
      const value = take(QUOTED)?.[1]?.replace(/\\([\s\S])/g, '$1') ?? take(TOKEN)?.[0]
      if (value === undefined) return challenges
      current.parameters.set(name.toLowerCase(), value)
    } else {
      challenges.push({ scheme: name.toLowerCase(), parameters: new Map() })
      take(TOKEN68)
    }
  }
}
