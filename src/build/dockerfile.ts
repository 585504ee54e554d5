import { ImgctlError } from '../errors/error.ts'
import { quote } from './file-error.ts'

export interface Instruction {
  /** In capitals: `RUN`. What an ONBUILD holds is an instruction of its own. */
  readonly keyword: string
  /** Names of the flags before the arguments, without what follows `=`: `--mount`. */
  readonly flags: readonly string[]
  /** All that follows the keyword, continuation lines joined. */
  readonly text: string
  /** Whether its content is in lines of its own, `<<EOF`. */
  readonly heredoc: boolean
  /** Where it begins, from 1. */
  readonly line: number
}

export interface Dockerfile {
  /** The frontend of `# syntax=`, and its line. */
  readonly syntax?: { readonly value: string; readonly line: number }
  readonly instructions: readonly Instruction[]
}

const DIRECTIVE = /^#\s*(syntax|escape|check)\s*=\s*(.+?)\s*$/i
const HEREDOC = /^\d*<<(-?)([^<]+)$/
const TAKES_HEREDOC: ReadonlySet<string> = new Set(['RUN', 'COPY', 'ADD'])

/** Words of a shell line; quotes stay. */
const WORDS = /(?:[^\s"'\\]|\\.|"(?:\\.|[^"\\])*"|'[^']*'|["'\\])+/g

/**
 * Reads as much of a Dockerfile as imgctl needs before the engine reads it; mistakes are the engine's to find.
 * https://docs.docker.com/reference/dockerfile/
 *
 * @throws ImgctlError USAGE when there is no instruction in it
 */
export function readDockerfile(content: Uint8Array, shown: string): Dockerfile {
  const lines = new TextDecoder().decode(content).split(/\r?\n/)
  const { escapeToken, syntax } = directives(lines)
  const instructions = new Reader(lines, escapeToken).all()
  if (instructions.length > 0) return { instructions, ...(syntax === undefined ? {} : { syntax }) }
  throw new ImgctlError('USAGE', `the Dockerfile ${quote(shown)} is empty`, {
    hint: 'the least is one line: FROM IMAGE',
  })
}

/** They come first: after any other line, also an empty one, they are comments. */
function directives(lines: readonly string[]): {
  escapeToken: string
  syntax?: { value: string; line: number }
} {
  let escapeToken = '\\'
  let syntax: { value: string; line: number } | undefined
  for (const [index, text] of lines.entries()) {
    const [, name, value = ''] = DIRECTIVE.exec(text.trimStart()) ?? []
    if (name === undefined) break
    if (name.toLowerCase() === 'syntax') syntax = { value, line: index + 1 }
    if (name.toLowerCase() === 'escape') escapeToken = value
  }
  return { escapeToken, ...(syntax === undefined ? {} : { syntax }) }
}

class Reader {
  readonly #lines: readonly string[]
  readonly #escape: string
  #at = 0

  constructor(lines: readonly string[], escapeToken: string) {
    this.#lines = lines
    this.#escape = escapeToken
  }

  all(): Instruction[] {
    const found: Instruction[] = []
    while (this.#at < this.#lines.length) {
      const line = this.#at + 1
      const text = this.#joined().trim()
      if (text === '') continue
      const instruction = parse(text, line)
      const ends = heredocs(instruction)
      for (const end of ends) this.#skipPast(end)
      found.push({ ...instruction, heredoc: ends.length > 0 })
    }
    return found
  }

  /** The next line with those that continue it; comments and empty lines between them do not count. */
  #joined(): string {
    let text = ''
    while (this.#at < this.#lines.length) {
      const line = this.#lines[this.#at++]!
      const skipped = line.trimStart().startsWith('#') || (text !== '' && line.trim() === '')
      if (skipped && text === '') return ''
      if (skipped) continue
      const trimmed = line.replace(/[ \t]+$/, '')
      const continues = trimmed.endsWith(this.#escape) && !trimmed.endsWith(this.#escape.repeat(2))
      if (!continues) return text + line
      text += trimmed.slice(0, -1)
    }
    return text
  }

  #skipPast({ name, tabs }: HeredocEnd): void {
    while (this.#at < this.#lines.length) {
      const line = this.#lines[this.#at++]!
      if ((tabs ? line.replace(/^\t+/, '') : line) === name) return
    }
  }
}

interface HeredocEnd {
  readonly name: string
  /** Whether tabs may stand before the name: `<<-`. */
  readonly tabs: boolean
}

function heredocs({ keyword, text }: Instruction): HeredocEnd[] {
  if (!TAKES_HEREDOC.has(keyword)) return []
  return (text.match(WORDS) ?? []).flatMap((word) => {
    const [, dash, name] = HEREDOC.exec(word) ?? []
    return name === undefined ? [] : [{ name: name.replace(/["']/g, ''), tabs: dash === '-' }]
  })
}

function parse(text: string, line: number): Instruction {
  const [, word = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? []
  const keyword = word.toUpperCase()
  if (keyword === 'ONBUILD' && rest !== '') return parse(rest, line)
  const flags: string[] = []
  for (const flag of rest.match(WORDS) ?? []) {
    if (!/^--[a-z]/.test(flag)) break
    flags.push(flag.replace(/=[\s\S]*/, ''))
  }
  return { keyword, flags, text: rest, heredoc: false, line }
}
