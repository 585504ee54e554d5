export interface Header {
  readonly header: string
  readonly align: 'left' | 'right'
  /** Nothing in the table is cut: what is too long goes on in the next line of its column. */
  readonly wraps?: boolean
}
export type Row = readonly string[]

const GAP = '   '
/** A column is not made narrower than this; a line that is still too long wraps. */
const NARROWEST = 12
/** A text that goes on in the next line is readable in this width; narrower, the terminal breaks the lines. */
const NARROWEST_TEXT = 40

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
    widths[wrapping] = Math.min(widths[wrapping]!, Math.max(NARROWEST_TEXT, available - others))
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

/** Lines of at most `width`, broken between words where that is possible. At least one. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let rest = [...text]
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width)
    const end = space > 0 ? space : width
    lines.push(rest.slice(0, end).join(''))
    rest = rest.slice(space > 0 ? end + 1 : end)
  }
  return [...lines, rest.join('')]
}

function singleLine(row: Row): Row {
  return row.map((cell) => cell.replace(/[\t\r\n]+/g, ' '))
}

function shrink(widths: number[], available: number): void {
  let excess = widths.reduce((sum, width) => sum + width, 0) - available
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths))
    if (widths[widest]! <= NARROWEST) return
    widths[widest]! -= 1
    excess -= 1
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
