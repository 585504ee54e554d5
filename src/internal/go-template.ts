import { ImgctlError } from '../errors/error.ts'

/**
 * The part of Go's templates that docker users type after `--format`: text, `{{.Field}}`,
 * `{{.Field.Inner}}`, `{{.}}`, and `{{json .Field}}`. Field names match without regard to case, so
 * `.Name` is the record's `name`. `\t` and `\n` are tab and newline.
 */
export type Template = (record: Readonly<Record<string, unknown>>) => string

type Part = (record: Readonly<Record<string, unknown>>) => string

const ACTION = /\{\{-?\s*(json\s+)?\.([A-Za-z0-9_.-]*)\s*-?\}\}/y

/** @throws ImgctlError USAGE for what is not in that part; the template itself throws it for an unknown field */
export function parseTemplate(text: string): Template {
  const parts: Part[] = []
  let position = 0
  while (position < text.length) {
    const open = text.indexOf('{{', position)
    const literal = unescapeText(text.slice(position, open < 0 ? text.length : open))
    if (literal) parts.push(() => literal)
    if (open < 0) break
    ACTION.lastIndex = open
    const match = ACTION.exec(text)
    if (!match) throw unsupported(text, open)
    parts.push(fieldPart(match[2]!, match[1] !== undefined))
    position = ACTION.lastIndex
  }
  return (record) => parts.map((part) => part(record)).join('')
}

function fieldPart(path: string, json: boolean): Part {
  const keys = path === '' ? [] : path.split('.')
  return (record) => {
    const value = keys.reduce<unknown>(readField, record)
    if (json) return JSON.stringify(value ?? null)
    if (value === null || value === undefined) return ''
    return typeof value === 'object' ? JSON.stringify(value) : String(value)
  }
}

function readField(value: unknown, key: string): unknown {
  if (value === null || value === undefined) return value
  if (typeof value !== 'object') throw unknownField(key, [])
  const entries = Object.entries(value)
  const found =
    entries.find(([name]) => name === key) ??
    entries.find(([name]) => name.toLowerCase() === key.toLowerCase())
  if (!found) throw unknownField(key, Object.keys(value))
  return found[1]
}

function unescapeText(text: string): string {
  return text.replaceAll('\\t', '\t').replaceAll('\\n', '\n')
}

function unknownField(key: string, known: readonly string[]): ImgctlError {
  return new ImgctlError('USAGE', `the template names a field that is not there: .${key}`, {
    ...(known.length > 0
      ? { hint: `fields: ${known.map((name) => `.${name[0]!.toUpperCase()}${name.slice(1)}`).join(' ')}` }
      : {}),
  })
}

function unsupported(text: string, position: number): ImgctlError {
  return new ImgctlError('USAGE', 'the template has a form that is not supported', {
    context: [text, `${' '.repeat(position)}^`],
    hint: "fields and json only: '{{.Name}} {{json .Labels}}'",
  })
}
