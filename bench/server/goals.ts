import type { Goal, Row } from '../results.ts'

/** The goals of the design of the server that a run can measure. */
export function serverGoals(rows: readonly Row[]): Goal[] {
  const value = (name: string, who: string, column: string) =>
    rows.find((row) => row.case.startsWith(name) && row.who === who)?.values[column]
  const ours = (name: string, column: string) => value(name, 'imgctl serve', column)
  const ratio = (name: string, column: string) => {
    const [mine, theirs] = [ours(name, column), value(name, 'distribution', column)]
    return mine === undefined || theirs === undefined ? undefined : mine / theirs
  }
  const lists = rows.filter((row) => row.case.startsWith('list of'))
  return [
    {
      name: 'blob PUT 1 GiB: time',
      value: ratio('blob PUT', 'seconds'),
      atMost: 0.65,
      unit: 'x distribution',
    },
    {
      name: 'blob GET 1 GiB: time',
      value: ratio('blob GET', 'seconds'),
      atMost: 1.25,
      unit: 'x distribution',
    },
    {
      name: 'manifest GET, 32 connections: rate',
      value: ratio('manifest GET, 32', '1/s'),
      atLeast: 2,
      unit: 'x distribution',
    },
    ...lists.map(
      (row): Goal => ({ name: `${row.case}: p95`, value: row.values['p95 ms'], atMost: 30, unit: 'ms' }),
    ),
    { name: 'idle RSS', value: ours('idle', 'RSS MB'), atMost: 120, unit: 'MB' },
    { name: '64 uploads at once: RSS', value: ours('64 uploads', 'RSS MB'), atMost: 300, unit: 'MB' },
    { name: 'start to ready', value: ours('start to ready', 'seconds'), atMost: 0.6, unit: 's' },
  ]
}
