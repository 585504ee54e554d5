import { posix } from 'node:path'
import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { compilePattern, type IgnorePattern } from './ignore-pattern.ts'

/** What Go's strings.TrimSpace takes away. */
const BLANKS = '[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]'
const AROUND = new RegExp(`^${BLANKS}+|${BLANKS}+$`, 'g')

/** Which patterns matched a folder: what is in it need not be asked again. */
export type FolderMatch = readonly boolean[]

export interface Match {
  readonly ignored: boolean
  /** To be given back for what is in this folder. */
  readonly folder: FolderMatch
}

/**
 * The patterns of an ignore file: the last one that matches a path, or a folder above it, decides. The rules
 * are those of BuildKit's client (github.com/tonistiigi/fsutil, filter.go, with github.com/moby/patternmatcher).
 */
export class IgnorePatterns {
  static readonly NONE = new IgnorePatterns([])

  readonly #patterns: readonly IgnorePattern[]

  private constructor(patterns: readonly IgnorePattern[]) {
    this.#patterns = patterns
  }

  /**
   * @param file how the file is named in errors
   * @throws ImgctlError USAGE for a pattern that Go refuses, with file and line
   */
  static parse(text: string, file: string, platform: NodeJS.Platform = process.platform): IgnorePatterns {
    const patterns = text
      .replace(/^\ufeff/, '')
      .split('\n')
      .flatMap((line, index) => parseLine(line, `${file}:${index + 1}`, platform))
    return new IgnorePatterns(patterns)
  }

  /**
   * Patterns as BuildKit sends them.
   *
   * @returns undefined when one of them is not valid
   */
  static of(lines: readonly string[]): IgnorePatterns | undefined {
    const patterns = lines.map((line) =>
      line.startsWith('!') ? compilePattern(clean(line.slice(1)), true) : compilePattern(clean(line), false),
    )
    return patterns.every((pattern) => pattern !== undefined) ? new IgnorePatterns(patterns) : undefined
  }

  /**
   * Everything is ignored but what these match.
   *
   * @returns undefined when one of them is not valid
   */
  static allBut(lines: readonly string[]): IgnorePatterns | undefined {
    const patterns = lines.map((line) => compilePattern(clean(line), true))
    if (!patterns.every((pattern) => pattern !== undefined)) return undefined
    return new IgnorePatterns([compilePattern('**', false)!, ...patterns])
  }

  /**
   * @param path relative to the context, with slashes
   * @param parent what `match` returned for the folder that it is in; undefined at the root of the context
   */
  match(path: string, parent?: FolderMatch): Match {
    const folder: boolean[] = []
    let ignored = false
    for (const [i, pattern] of this.#patterns.entries()) {
      // Only a pattern that would change the answer is asked, also for the sake of what is below: so
      // `!a` after `a/b` does not bring `a/b` back, although `a` matches it.
      const matched = (parent?.[i] ?? false) || (pattern.exception === ignored && pattern.matches(path))
      folder.push(matched)
      if (matched) ignored = !pattern.exception
    }
    return { ignored, folder }
  }

  /** Whether a path is ignored, by itself or with a folder above it. */
  ignores(path: string): boolean {
    const names = path.split('/')
    let match: Match = { ignored: false, folder: [] }
    for (let depth = 1; depth <= names.length; depth++) {
      match = this.match(names.slice(0, depth).join('/'), match.folder)
    }
    return match.ignored
  }

  /** Whether an ignored folder may hold something that an exception brings back. */
  mayHoldExceptions(path: string, folder: FolderMatch): boolean {
    // What is below is ignored by the same line as the folder, so an earlier exception cannot win.
    const decisive = folder.lastIndexOf(true)
    const below = `${path}/`
    return this.#patterns.some(
      ({ exception, prefix }, i) =>
        i > decisive && exception && (prefix.startsWith(below) || below.startsWith(prefix)),
    )
  }
}

function parseLine(line: string, place: string, platform: NodeJS.Platform): IgnorePattern[] {
  if (line.startsWith('#')) return []
  const text = trim(platform === 'win32' ? line.replaceAll('\\', '/') : line)
  if (text === '') return []
  const marked = text.startsWith('!')
  const rest = marked ? trim(text.slice(1)) : text
  // moby cleans a pattern twice, the second time together with its `!`: so `!/` is an empty exception.
  const cleaned = clean(`${marked ? '!' : ''}${rest === '' ? '' : clean(rest).replace(/^\/(?=.)/, '')}`)
  const exception = cleaned.startsWith('!')
  const body = exception ? cleaned.slice(1) : cleaned
  const pattern = body === '' ? undefined : compilePattern(body, exception)
  if (pattern !== undefined) return [pattern]
  throw new ImgctlError('USAGE', `${place}: ${refusal(body)}`, {
    context: [makeVisible(text)],
    hint: 'docker refuses this line too; a backslash makes the next character a plain one',
  })
}

function refusal(body: string): string {
  if (body === '') return 'an exception needs a pattern after its !'
  return 'the pattern is not valid (a class without ], an empty class, a range backwards, or a lone backslash)'
}

/** Go's filepath.Clean. */
function clean(path: string): string {
  const normal = posix.normalize(path)
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal
}

function trim(text: string): string {
  return text.replace(AROUND, '')
}
