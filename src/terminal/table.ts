import { NARROWEST_TEXT, wrap } from './wrap.ts'

export interface Header {
  readonly header: string
  readonly align: 'left' | 'right'
  /** Nothing in the table is cut: what is too long goes on in the next line of its column. */
  readonly wraps?: boolean
}
export type Row = readonly string[]

const GAP = '   '
/** What columns are made narrower to, one after the other; a line that is then still too long wraps. */
const NARROWEST = [12, 6] as const
/** Where the terminal breaks the lines anyway. */
const USUAL_TEXT = 40

/**
 * Aligned lines, the header first, at most `width` wide: the widest columns are cut with `…`, or a column that wraps is
 * made narrower.
 */
export function renderTable(headers: readonly Header[], rows: readonly Row[], width: number): string[] {
  const cells: Row[] = [headers.map(({ header }) => header.toUpperCase()), ...rows.map(singleLine)]
  const widths = headers.map((_, column) => Math.max(...cells.map((row) => length(row[column]!))))
  const available = width - GAP.length * (headers.length - 1)
  const wrapping = headers.findIndex(({ wraps }) => wraps)
  if (wrapping < 0) shrink(widths, available)
  else {
    const others = widths.reduce((sum, each, column) => (column === wrapping ? sum : sum + each), 0)
    const room = available - others
    widths[wrapping] = Math.min(widths[wrapping]!, room < NARROWEST_TEXT ? USUAL_TEXT : room)
  }
  const line = (row: Row) =>
    row
      .map((cell, column) => pad(cut(cell, widths[column]!), widths[column]!, headers[column]!.align))
      .join(GAP)
      .trimEnd()
  if (wrapping < 0) return cells.map(line)
  return cells.flatMap((row) =>
    wrap(row[wrapping]!, widths[wrapping]!).map((part, index) =>
      line(row.map((cell, column) => (column === wrapping ? part : index === 0 ? cell : ''))),
    ),
  )
}

function singleLine(row: Row): Row {
  return row.map((cell) => cell.replace(/[\t\r\n]+/g, ' '))
}

function shrink(widths: number[], available: number): void {
  let excess = widths.reduce((sum, width) => sum + width, 0) - available
  for (const narrowest of NARROWEST) {
    while (excess > 0 && Math.max(...widths) > narrowest) {
      widths[widths.indexOf(Math.max(...widths))]! -= 1
      excess -= 1
    }
  }
}

function cut(text: string, width: number): string {
  return length(text) <= width ? text : `${[...text].slice(0, width - 1).join('')}…`
}

function pad(text: string, width: number, align: Header['align']): string {
  const space = ' '.repeat(Math.max(0, width - length(text)))
  return align === 'right' ? space + text : text + space
}

/** Code points, which is the width for everything that names, digests and states are made of. */
function length(text: string): number {
  return [...text].length
}
