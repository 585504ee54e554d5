import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'

/** One line of a table: what was done, by whom, and its numbers by column. */
export interface Row {
  readonly case: string
  readonly who: string
  readonly values: Readonly<Record<string, number | undefined>>
}

export interface Goal {
  readonly name: string
  /** What was measured, and what it may be at most (or must be at least). */
  readonly value: number | undefined
  readonly atMost?: number
  readonly atLeast?: number
  readonly unit: string
}

export interface Results {
  readonly title: string
  readonly rows: readonly Row[]
  readonly goals: readonly Goal[]
}

/** Undefined when nothing was measured. */
export function holds({ value, atMost, atLeast }: Goal): boolean | undefined {
  if (value === undefined) return undefined
  return value <= (atMost ?? Number.POSITIVE_INFINITY) && value >= (atLeast ?? Number.NEGATIVE_INFINITY)
}

/** Prints the results as Markdown tables, to be read and to be kept, with the machine and its load. */
export function printResults({ title, rows, goals }: Results): void {
  console.log(`\n## ${title}\n`)
  console.log(`${machine().join(' · ')}\n`)
  const columns = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))]
  table(
    ['case', 'who', ...columns],
    rows.map(({ case: name, who, values }) => [name, who, ...columns.map((column) => shown(values[column]))]),
  )
  if (goals.length === 0) return
  console.log('')
  table(
    ['goal', 'measured', 'limit', 'holds'],
    goals.map((goal) => {
      const limit = goal.atMost === undefined ? `>= ${shown(goal.atLeast)}` : `<= ${shown(goal.atMost)}`
      const verdict = { true: 'yes', false: 'NO', undefined: 'not measured' }[String(holds(goal))]!
      return [goal.name, `${shown(goal.value)} ${goal.unit}`, `${limit} ${goal.unit}`, verdict]
    }),
  )
}

/** Writes the same to a file, for programs. */
export function writeResults(path: string, results: Results): void {
  const goals = results.goals.map((goal) => ({ ...goal, holds: holds(goal) ?? null }))
  writeFileSync(path, `${JSON.stringify({ ...results, goals, machine: machine() }, null, 2)}\n`)
}

/** Date, commit, processor, memory, Node and the load: what a number is worth nothing without. */
export function machine(): string[] {
  const [cpu] = cpus()
  return [
    new Date().toISOString(),
    `commit ${commit()}`,
    `${cpus().length} x ${cpu?.model ?? 'unknown'}`,
    `${Math.round(totalmem() / 1e9)} GB`,
    `Node ${process.version}`,
    `load ${loadavg()
      .map((load) => load.toFixed(2))
      .join(' ')}`,
  ]
}

function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim()
  try {
    const dirty = git('status', '--porcelain', '--', 'src', 'package.json') === '' ? '' : '-dirty'
    return `${git('rev-parse', '--short', 'HEAD')}${dirty}`
  } catch {
    return (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version
  }
}

function table(head: readonly string[], lines: readonly string[][]): void {
  const widths = head.map((name, i) => Math.max(name.length, ...lines.map((line) => line[i]!.length)))
  const line = (cells: readonly string[]) =>
    console.log(
      `| ${cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`,
    )
  line(head)
  console.log(
    `|${widths.map((width, i) => (i < 2 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`,
  )
  for (const cells of lines) line(cells)
}

function shown(value: number | undefined): string {
  if (value === undefined) return '-'
  if (Number.isNaN(value)) return 'failed'
  if (Number.isInteger(value)) return String(value)
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : value < 0.1 ? 3 : 2)
}
