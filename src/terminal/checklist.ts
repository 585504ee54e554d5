import { makeVisible } from '../internal/control-characters.ts'
import type { Style } from './color.ts'
import type { Output } from './streams.ts'

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

/** One item after the other: mark, title, text, and indented under the text all that belongs to it. */
export function printChecklist(output: Output, items: readonly ChecklistItem[]): void {
  const { style } = output
  const width = Math.max(...items.map(({ title }) => title.length))
  const indent = ' '.repeat('✓ '.length + width + GAP.length)
  for (const { mark, title, text, lines, fix } of items) {
    const below = [
      ...lines.map((line) => style.dim(makeVisible(line))),
      ...(fix === undefined ? [] : [`${style.cyan('fix:')} ${makeVisible(fix)}`]),
    ]
    output.write(`${paintMark(mark, style)} ${title.padEnd(width)}${GAP}${makeVisible(text)}\n`)
    for (const line of below) output.write(`${indent}${line}\n`)
  }
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
