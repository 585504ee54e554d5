import { escapeControls, makeVisible } from '../internal/control-characters.ts'
import type { Format } from './format.ts'
import { type Output, writeForeign } from './streams.ts'
import { type Row, renderTable } from './table.ts'

export type Cell = string | number | boolean | null

export interface Column<T> {
  readonly header: string
  /** The whole value, for pipes and scripts. */
  readonly value: (record: T) => Cell
  /** The same for a person; the value itself when absent. */
  readonly human?: (record: T) => string
  readonly align?: 'left' | 'right'
  /** On a terminal nothing is cut: what is too long for the width goes on in the next line of this column. */
  readonly wraps?: boolean
}

/** One kind of record: its columns, and what `-q` prints. The record itself is what JSON and YAML show. */
export interface RecordView<T> {
  readonly columns: readonly Column<T>[]
  readonly id: (record: T) => string
}

/**
 * Prints records: on a terminal a table, or the fields of a single record below each other; in a pipe tab-separated
 * values; or what `--format` and `-q` ask for.
 *
 * @param records an array is an array in JSON and YAML, a single record an object
 */
export async function printRecords<T extends object>(
  output: Output,
  records: readonly T[] | T,
  view: RecordView<T>,
  { format, quiet = false }: { readonly format: Format; readonly quiet?: boolean },
): Promise<void> {
  const list: readonly T[] = isList(records) ? records : [records]
  if (quiet) return printLines(output, list.map(view.id))
  switch (format.kind) {
    case 'json':
      return output.write(`${escapeControls(JSON.stringify(records, undefined, 2))}\n`)
    case 'yaml': {
      const { toYaml } = await import('./yaml.ts')
      return writeForeign(output, toYaml(records))
    }
    case 'template': {
      const lines = list.map((record) => format.render(record as Readonly<Record<string, unknown>>))
      return printLines(output, lines)
    }
    case 'table':
      if (!output.isTTY) return printValues(output, list, view.columns)
      return isList(records)
        ? printTable(output, list, view.columns)
        : printFields(output, records, view.columns)
  }
}

function isList<T extends object>(records: readonly T[] | T): records is readonly T[] {
  return Array.isArray(records)
}

function printLines(output: Output, lines: readonly string[]): void {
  const shown = output.isTTY ? lines.map(makeVisible) : lines
  output.write(shown.map((line) => `${line}\n`).join(''))
}

function printTable<T>(output: Output, records: readonly T[], columns: readonly Column<T>[]): void {
  if (records.length === 0) return
  const rows: Row[] = records.map((record) => columns.map((column) => shown(column, record)))
  const headers = columns.map(({ header, align, wraps }) => {
    return { header, align: align ?? 'left', wraps: wraps ?? false } as const
  })
  for (const [index, line] of renderTable(headers, rows, output.columns).entries()) {
    output.write(`${index === 0 ? output.style.bold(line) : line}\n`)
  }
}

/** A line for each field, never cut; a single one needs no name. */
function printFields<T>(output: Output, record: T, columns: readonly Column<T>[]): void {
  const width = Math.max(0, ...columns.map(({ header }) => header.length))
  const nameOf = ({ header }: Column<T>) => `${output.style.bold(header.toUpperCase().padEnd(width))}   `
  for (const column of columns) {
    output.write(`${`${columns.length > 1 ? nameOf(column) : ''}${shown(column, record)}`.trimEnd()}\n`)
  }
}

function shown<T>({ human, value }: Column<T>, record: T): string {
  return makeVisible(human?.(record) ?? plain(value(record)))
}

/** One line per record; a tab or newline inside a value would break that, so it becomes a space. */
function printValues<T>(output: Output, records: readonly T[], columns: readonly Column<T>[]): void {
  const line = (record: T) =>
    columns.map(({ value }) => plain(value(record)).replace(/[\t\r\n]+/g, ' ')).join('\t')
  output.write(records.map((record) => `${line(record)}\n`).join(''))
}

function plain(cell: Cell): string {
  return cell === null ? '-' : String(cell)
}
