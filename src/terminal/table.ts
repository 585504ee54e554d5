export interface Header {
  readonly header: string
  readonly align: 'left' | 'right'
}
export type Row = readonly string[]

const GAP = '   '
/** A column is not made narrower than this; a line that is still too long wraps. */
const NARROWEST = 12

/** Aligned lines, the header first, at most `width` wide: the widest columns are cut with `…`. */
export function renderTable(headers: readonly Header[], rows: readonly Row[], width: number): string[] {
  const cells: Row[] = [headers.map(({ header }) => header.toUpperCase()), ...rows.map(singleLine)]
  const widths = headers.map((_, column) => Math.max(...cells.map((row) => length(row[column]!))))
  shrink(widths, width - GAP.length * (headers.length - 1))
  return cells.map((row) =>
    row
      .map((cell, column) => pad(cut(cell, widths[column]!), widths[column]!, headers[column]!.align))
      .join(GAP)
      .trimEnd(),
  )
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
