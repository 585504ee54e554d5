import { spawnSync } from 'node:child_process'
import type { Goal, Row } from '../results.ts'
import { median } from '../side-by-side.ts'
import { CRANE, DOCKER, IMGCTL, SKOPEO } from './contestants.ts'
import { CUT, cutTitle } from './cut.ts'
import { PROGRESS } from './progress.ts'

const NODE_STARTS = 11

/** The goals of the design of push, judged by what one run measured. */
export function pushGoals(rows: readonly Row[]): Goal[] {
  const value = (title: string, who: string, column: string) =>
    rows.find((row) => row.case === title && row.who === who)?.values[column]
  const ratio = (title: string, peer: string, column = 'seconds') => {
    const [ours, theirs] = [value(title, IMGCTL, column), value(title, peer, column)]
    return ours === undefined || theirs === undefined ? undefined : ours / theirs
  }
  const start = nodeStart()
  /** What may pass beside docker push: the start of Node and 150 ms. */
  const over = (title: string, peerTitle: string) => {
    const [ours, theirs] = [value(title, IMGCTL, 'seconds'), value(peerTitle, DOCKER, 'seconds')]
    return ours === undefined || theirs === undefined ? undefined : (ours - theirs - start) * 1000
  }
  /** NaN, which holds no goal, when the push failed. */
  const cut = (title: string) => {
    const row = rows.find(({ case: name, who }) => name === cutTitle(title) && who.startsWith(CUT))
    return row && (row.values['x bytes'] ?? Number.NaN)
  }
  const peaks = rows.filter(({ who }) => who === IMGCTL).map(({ values }) => values['RSS MB'] ?? 0)
  const cold = 'classic store, cold'
  const unchanged = ['classic store', 'containerd store', 'archive', 'layout']
  return [
    { name: 'classic store, cold: time', value: ratio(cold, DOCKER), atMost: 0.5, unit: 'x docker push' },
    {
      name: 'classic store, cold: size',
      value: ratio(cold, DOCKER, 'stored MB'),
      atMost: 1.1,
      unit: 'x docker push',
    },
    {
      name: 'containerd store, cold',
      value: ratio('containerd store, cold', DOCKER),
      atMost: 1.1,
      unit: 'x docker push',
    },
    ...unchanged.map((source): Goal => {
      // An archive has no docker push: it is held to that of the classic store.
      const peer = source.includes('store') ? source : 'classic store'
      const unit = 'ms over docker push + bare Node'
      return {
        name: `${source}, unchanged`,
        value: over(`${source}, unchanged`, `${peer}, unchanged`),
        atMost: 150,
        unit,
      }
    }),
    ...unchanged.map((source): Goal => {
      const sent = value(`${source}, unchanged`, IMGCTL, 'sent MB')
      return { name: `${source}, unchanged: sent`, value: sent && sent * 1000, atMost: 50, unit: 'KB' }
    }),
    ...['classic store', 'containerd store'].map(
      (source): Goal => ({
        name: `${source}, one small layer changed`,
        value: ratio(`${source}, one small layer changed`, DOCKER),
        atMost: 1.1,
        unit: 'x docker push',
      }),
    ),
    { name: 'archive, cold: time', value: ratio('archive, cold', SKOPEO), atMost: 0.9, unit: 'x skopeo' },
    {
      name: 'archive, cold: size',
      value: ratio('archive, cold', SKOPEO, 'stored MB'),
      atMost: 1,
      unit: 'x skopeo',
    },
    { name: 'archive, cold: time', value: ratio('archive, cold', CRANE), atMost: 0.3, unit: 'x crane' },
    { name: 'archive, unchanged', value: ratio('archive, unchanged', CRANE), atMost: 0.05, unit: 'x crane' },
    { name: 'archive, cut every 100 MB', value: cut('archive'), atMost: 1.1, unit: 'x the bytes' },
    { name: 'layout, cut every 100 MB', value: cut('layout'), atMost: 1.1, unit: 'x the bytes' },
    {
      name: 'archive to imgctl serve, cut every 100 MB',
      value: cut('archive to imgctl serve'),
      atMost: 1.1,
      unit: 'x the bytes',
    },
    {
      name: 'layout to imgctl serve, cut every 100 MB',
      value: cut('layout to imgctl serve'),
      atMost: 1.1,
      unit: 'x the bytes',
    },
    ...['plain', 'json', 'terminal'].map(
      (kind): Goal => ({
        name: `progress, ${kind}`,
        // Of a push that keeps the cores busy, CPU is throughput, and other load does not disturb it.
        value: value(PROGRESS, kind, 'x CPU'),
        atMost: 1.03,
        unit: 'x the CPU without',
      }),
    ),
    {
      name: 'peak RSS of all pushes',
      value: peaks.length ? Math.max(...peaks) : undefined,
      atMost: 256,
      unit: 'MB',
    },
  ]
}

/** Seconds that a Node which does nothing takes here. */
function nodeStart(): number {
  const starts = Array.from({ length: NODE_STARTS }, () => {
    const started = performance.now()
    spawnSync(process.execPath, ['-e', '0'])
    return (performance.now() - started) / 1000
  })
  return median(starts)
}
