import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createProgress } from '../../src/terminal/create-progress.ts'
import type { ProgressMode } from '../../src/terminal/progress.ts'
import { capturedStreams, type Surroundings } from './captured-streams.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: 0 })
})
afterEach(() => {
  vi.useRealTimers()
})

function start(mode: ProgressMode, surroundings: Surroundings = {}) {
  const streams = capturedStreams(surroundings)
  return { streams, progress: createProgress(mode, streams) }
}

/** Ten MB in two layers, one chunk each second. */
function upload({ progress }: ReturnType<typeof start>, seconds = 10) {
  progress.phase('upload', { total: 10_000_000 })
  for (let second = 1; second <= seconds; second++) {
    vi.advanceTimersByTime(1000)
    progress.item('a', 'layer a', second * 500_000, 5_000_000, 'uploading')
    progress.item('b', 'layer b', second * 500_000, 5_000_000, 'uploading')
  }
}

test('plain: a line when a phase begins and at most one per 10 s, no escapes', () => {
  const run = start('plain')
  upload(run, 12)
  run.progress.phase('register')
  run.progress.finish()
  const lines = run.streams.err().trimEnd().split('\n')
  expect(lines).toHaveLength(3)
  expect(lines[0]).toBe('upload  0 B / 10.0 MB  0%')
  expect(lines[1]).toMatch(/^upload {2}9\.50 MB \/ 10\.0 MB {2}95% {2}\S+ [kM]B\/s {2}\d+ (ms|s) left$/)
  expect(lines[2]).toBe('register')
  expect(run.streams.err()).not.toContain('\x1b')
})

test('json: every line parses; an item is told at most once a second, its end always', () => {
  const run = start('json')
  run.progress.phase('upload', { total: 100 })
  for (let done = 0; done <= 100; done++) run.progress.item('a', 'layer a', done, 100)
  run.progress.step('1', 'RUN make')
  run.progress.step('1', 'RUN make', 'done')
  run.progress.line('hello')
  run.progress.event({ event: 'state', state: 'active' })
  const events = run.streams
    .err()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(events).toEqual([
    { event: 'phase', phase: 'upload', total: 100 },
    { event: 'item', id: 'a', label: 'layer a', done: 0, total: 100 },
    { event: 'item', id: 'a', label: 'layer a', done: 100, total: 100 },
    { event: 'step', id: '1', label: 'RUN make', status: 'started' },
    { event: 'step', id: '1', label: 'RUN make', status: 'done' },
    { event: 'message', text: 'hello' },
    { event: 'state', state: 'active' },
  ])
})

test('tty: the total and the active items, painted over; the cursor comes back', () => {
  const run = start('tty', { tty: true })
  upload(run, 4)
  vi.advanceTimersByTime(1000)
  const text = run.streams.err()
  expect(text.startsWith('\x1b[?25l')).toBe(true)
  const frame = text.slice(text.lastIndexOf('\x1b[0J') + 4).split('\n')
  expect(frame[0]).toMatch(/upload {2}4\.00 MB \/ 10\.0 MB {2}40% .* left/)
  expect(frame[1]).toContain('layer a')
  run.progress.finish()
  run.progress.finish()
  expect(run.streams.err().endsWith('\x1b[?25h')).toBe(true)
  expect(run.streams.err().split('\x1b[?25h')).toHaveLength(2)
})

test('tty: a step shows what it runs and for how long, and no amount of what ended before it', () => {
  const run = start('tty', { tty: true, columns: 60 })
  run.progress.phase('build')
  run.progress.item('context', 'context', 5_000, 5_000)
  run.progress.step('2', `#2 RUN ${'make '.repeat(30)}`)
  vi.advanceTimersByTime(3000)
  const text = run.streams.err()
  const frame = text.slice(text.lastIndexOf('\x1b[0J') + 4).split('\n')
  expect(frame[0]).toMatch(/^\S build {2}3 s$/)
  expect(frame[1]).toMatch(/^ {2}#2 RUN make .*… {2}3 s$/)
  run.progress.step('2', '#2 RUN make', 'done')
  vi.advanceTimersByTime(100)
  expect(run.streams.err().slice(text.length)).not.toContain('#2')
})

test('tty: restore gives the cursor back when nobody called finish', () => {
  const run = start('tty', { tty: true })
  run.progress.phase('upload')
  run.streams.restore()
  expect(run.streams.err().endsWith('\x1b[?25h')).toBe(true)
  const before = run.streams.err()
  vi.advanceTimersByTime(5000)
  expect(run.streams.err()).toBe(before)
})

test('tty: no painted line is wider than the window', () => {
  const run = start('tty', { tty: true, columns: 30 })
  upload(run, 2)
  vi.advanceTimersByTime(200)
  const painted = run.streams
    .err()
    .replace(/\x1b\[[?\d]*[A-Za-z]/g, '')
    .split(/[\r\n]+/)
  expect(painted.every((line) => [...line].length < 30)).toBe(true)
})

test('lines from outside cannot move the cursor', () => {
  const run = start('plain')
  run.progress.line('evil \x1b[2J')
  expect(run.streams.err()).toBe('evil \\x1b[2J\n')
})

test('none shows nothing', () => {
  const run = start('none')
  upload(run)
  run.progress.line('hello')
  run.progress.finish()
  expect(run.streams.err()).toBe('')
})

test.each<[Surroundings, boolean]>([
  [{ tty: true }, true],
  [{ tty: true, environment: { CI: 'true' } }, false],
  [{ tty: true, environment: { TERM: 'dumb' } }, false],
  [{}, false],
])('auto with %o paints: %s', (surroundings, paints) => {
  const run = start('auto', surroundings)
  run.progress.phase('upload')
  run.progress.finish()
  expect(run.streams.err().includes('\x1b[?25l')).toBe(paints)
})

/** A layer that goes at a steady rate in chunks of uneven size, told as they go. */
function steady(run: ReturnType<typeof start>, total: number, perSecond: number, upTo: number) {
  run.progress.phase('upload', { total })
  for (let done = 0, i = 0; done < upTo; i++) {
    const chunk = Math.min(upTo - done, 20_000 + ((i * 7919) % 90_000))
    vi.advanceTimersByTime((chunk / perSecond) * 1000)
    done += chunk
    run.progress.item('a', 'layer a', done, total, 'pushing')
  }
}

const totals = (run: ReturnType<typeof start>) =>
  run.streams
    .err()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === 'progress')

test.each([200_000, 1_000_000, 9_000_000])(
  'the end that is guessed at the half of an upload at %i bytes/s is off by less than a quarter',
  (perSecond) => {
    const run = start('json')
    const total = 30 * perSecond
    steady(run, total, perSecond, total / 2)
    const { etaSeconds, bytesPerSecond } = totals(run).at(-1)
    expect(Math.abs(etaSeconds - 15)).toBeLessThan(0.25 * 15)
    expect(Math.abs(bytesPerSecond - perSecond)).toBeLessThan(0.25 * perSecond)
  },
)

test('layers that are there already count as done, and do not make the rest look near', () => {
  const run = start('json')
  run.progress.phase('upload', { total: 1_030_000_000 })
  run.progress.item('base', 'base', 1_000_000_000, 1_000_000_000, 'exists')
  for (let second = 1; second <= 15; second++) {
    vi.advanceTimersByTime(1000)
    run.progress.item('a', 'layer a', second * 1_000_000, 30_000_000, 'pushing')
  }
  const { done, etaSeconds } = totals(run).at(-1)
  expect(done).toBe(1_015_000_000)
  expect(Math.abs(etaSeconds - 15)).toBeLessThan(0.25 * 15)
})

test('no end is guessed in the first three seconds', () => {
  const run = start('json')
  steady(run, 100_000_000, 1_000_000, 2_900_000)
  expect(totals(run).length).toBeGreaterThan(0)
  expect(totals(run).filter(({ etaSeconds }) => etaSeconds !== undefined)).toEqual([])
})

test.each<[ProgressMode, number]>([
  ['tty', 11],
  ['plain', 1],
  ['json', 2],
  ['none', 0],
])('%s: a hundred thousand chunks in a second cost at most %i writes', (mode, most) => {
  const run = start(mode, { tty: mode === 'tty' })
  run.progress.phase('upload', { total: 1e9 })
  run.progress.item('a', 'layer a', 0, 1e9, 'pushing')
  const write = vi.spyOn(run.streams.stderr, 'write')
  for (let i = 1; i <= 100_000; i++) {
    if (i % 1000 === 0) vi.advanceTimersByTime(10)
    run.progress.item('a', 'layer a', i * 1000, 1e9, 'pushing')
  }
  expect(write.mock.calls.length).toBeLessThanOrEqual(most)
  run.progress.finish()
})
