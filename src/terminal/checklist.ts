import { makeVisible } from '../internal/control-characters.ts'
import type { Style } from './color.ts'
import type { Output } from './streams.ts'
import { NARROWEST_TEXT, wrap } from './wrap.ts'

export type Mark = 'ok' | 'warn' | 'fail' | 'skip'

export interface ChecklistItem {
  readonly mark: Mark
  readonly title: string
  readonly text: string
  /** Shown under the text. */
  readonly lines: readonly string[]
  /** What to do about it, last. */
  readonly fix: string | undefined
}

const GAP = '  '
const FIX = 'fix:'

/** One item after the other: mark, title, text, and indented under the text all that belongs to it. */
export function printChecklist(output: Output, items: readonly ChecklistItem[]): void {
  const { style } = output
  const width = Math.max(...items.map(({ title }) => title.length))
  const indent = ' '.repeat('✓ '.length + width + GAP.length)
  for (const { mark, title, text, lines, fix } of items) {
    const folded = (line: string) => foldUnder(line, indent.length, output)
    const [first = '', ...rest] = folded(text)
    const fixes = fix === undefined ? [] : folded(`${FIX} ${fix}`)
    const below = [
      ...rest,
      ...lines.flatMap(folded).map(style.dim),
      ...fixes.map((line) => line.replace(FIX, style.cyan(FIX))),
    ]
    output.write(`${paintMark(mark, style)} ${title.padEnd(width)}${GAP}${first}\n`)
    for (const line of below) output.write(`${indent}${line}\n`)
  }
}

/** On a terminal nothing runs out of its column: a text goes on under itself, unless there is no room for that. */
function foldUnder(text: string, indent: number, { isTTY, columns }: Output): string[] {
  const shown = makeVisible(text)
  const room = columns - indent
  return isTTY && room >= NARROWEST_TEXT ? wrap(shown, room) : [shown]
}

function paintMark(mark: Mark, style: Style): string {
  switch (mark) {
    case 'ok':
      return style.green('✓')
    case 'warn':
      return style.yellow('!')
    case 'fail':
      return style.red('✗')
    case 'skip':
      return style.dim('-')
  }
}
