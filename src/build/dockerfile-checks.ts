import { makeVisible } from '../internal/control-characters.ts'
import type { Dockerfile, Instruction } from './dockerfile.ts'

/** Something in a Dockerfile, and where. */
export interface Finding {
  /** In the Dockerfile's words: `RUN --mount`. */
  readonly what: string
  readonly line: number
}

/** The flags that the classic builder knows; the others are BuildKit's. */
const CLASSIC_FLAGS: Readonly<Record<string, readonly string[]>> = {
  RUN: [],
  COPY: ['--from', '--chown'],
  ADD: ['--chown'],
}

/** What the classic builder cannot build, or would build differently without a word. */
export function buildKitFeatures({ syntax, instructions }: Dockerfile): Finding[] {
  const directive = syntax === undefined ? [] : [{ what: '# syntax', line: syntax.line }]
  return [...directive, ...instructions.flatMap(featuresOf)]
}

function featuresOf({ keyword, flags, heredoc, line }: Instruction): Finding[] {
  const classic = CLASSIC_FLAGS[keyword]
  if (classic === undefined) return []
  const found = flags.filter((flag) => !classic.includes(flag)).map((flag) => `${keyword} ${flag}`)
  return [...found, ...(heredoc ? [`${keyword} <<`] : [])].map((what) => ({ what, line }))
}

/**
 * The stages whose platform the Dockerfile itself fixes, `FROM --platform=linux/arm64`: the platform that the
 * user asks for does not reach them. A variable (`$BUILDPLATFORM`) is no such thing.
 */
export function fixedPlatforms({ instructions }: Dockerfile): (Finding & { readonly platform: string })[] {
  return instructions.flatMap(({ keyword, text, line }) => {
    const platform = keyword === 'FROM' ? /^--platform=["']?([^\s"']+)/.exec(text)?.[1] : undefined
    if (platform === undefined || platform.includes('$')) return []
    return [{ what: `FROM --platform=${makeVisible(platform)}`, platform, line }]
  })
}

/** The words by which BuildKit's own check knows a secret (SecretsUsedInArgOrEnv), and what it lets pass. */
const SECRET_WORD = /(?:^|_)(?:api_?key|auth|credentials?|key|passw(?:or)?d|pword|secret|token)(?:_|$)/i
const PUBLIC_WORD = /(?:^|_)public(?:_|$)/i

/**
 * Why a build argument of this name had better be a secret; undefined when it has nothing of one.
 *
 * @param name without its value
 */
export function secretArgumentWarning(name: string): string | undefined {
  if (!SECRET_WORD.test(name) || PUBLIC_WORD.test(name)) return undefined
  const id = makeVisible(name).toLowerCase()
  return `--build-arg ${makeVisible(name)} stays readable in the image's history; use --secret id=${id},env=${makeVisible(name)} and RUN --mount=type=secret,id=${id}`
}
