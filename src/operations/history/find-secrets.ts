import type { HistoryStep } from './steps.ts'

/** A value that looks like a secret. The value itself is nowhere in it. */
export interface FoundSecret {
  /** Counted from the first step, 1. */
  readonly step: number
  /** The variable, option or kind of token. */
  readonly what: string
}

/** Names whose values are secret, as parts of a name: `DB_PASSWORD`, `--api-key`. */
const SECRET_NAME =
  /(?:^|[_-])(?:pass(?:word|wd|phrase)?|pwd|secrets?|tokens?|api[_-]?key|access[_-]?key|private[_-]?key|secret[_-]?key|credentials?|auth)$/i
/** `NAME=value`, `--name=value`, `--name value`. */
const ASSIGNED = /(?:^|[\s"'|])(--)?([A-Za-z][\w-]*)(?:=|(?<=--[\w-]*) )("[^"]*"|'[^']*'|[^\s"';&|]+)/g
/** A reference to a value, or to where it is, is no value. */
const NO_VALUE =
  /^["']?(?:\$|\/run\/secrets\/|\/|<|true["']?$|false["']?$|none["']?$|null["']?$|\*+["']?$|["']?$)/i

/** Forms that issuers publish, so that leaks can be found. */
const KNOWN_FORMS: readonly (readonly [RegExp, string])[] = [
  [/\bA(?:K|S)IA[0-9A-Z]{16}\b/, 'an AWS access key'],
  [/\bgh[opsur]_[A-Za-z0-9]{36}|\bgithub_pat_[A-Za-z0-9_]{22,}/, 'a GitHub token'],
  [/\bglpat-[\w-]{20}/, 'a GitLab token'],
  [/\bnpm_[A-Za-z0-9]{36}\b/, 'an npm token'],
  [/\bxox[abeoprs]-[A-Za-z0-9-]{10,}/, 'a Slack token'],
  [/\bAIza[\w-]{35}/, 'a Google API key'],
  [/\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{20,}/, 'an API key'],
  [/\bimg_[A-Za-z0-9_-]{43}\b/, 'an imgctl API key'],
  [/-----BEGIN [A-Z ]*PRIVATE KEY/, 'a private key'],
  [/\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\./, 'a JSON web token'],
  [/\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@$]+:[^\s:/@$]+@/i, 'a password in a URL'],
  [/\bAuthorization: *(?:Basic|Bearer) +[^\s"'$]{8,}/i, 'an Authorization header'],
]

/**
 * Values in the steps that look like secrets: whoever has the image can read them.
 *
 * @param steps newest first
 */
export function findSecrets(steps: readonly HistoryStep[]): FoundSecret[] {
  return [...steps].reverse().flatMap(({ createdBy, comment }, i) => {
    const names = secretsIn(`${createdBy}\n${comment}`)
    return [...new Set(names)].map((what) => ({ step: i + 1, what }))
  })
}

function secretsIn(text: string): string[] {
  const assigned = [...text.matchAll(ASSIGNED)].flatMap(([, dashes = '', name = '', value = '']) =>
    SECRET_NAME.test(name) && !NO_VALUE.test(value) ? [dashes + name] : [],
  )
  const known = KNOWN_FORMS.flatMap(([form, what]) => (form.test(text) ? [what] : []))
  return [...assigned, ...known]
}
