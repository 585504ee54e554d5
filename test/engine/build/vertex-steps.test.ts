import { expect, test } from 'vitest'
import { SecretMask } from '../../../src/engine/build/secret-mask.ts'
import { decodeStatus } from '../../../src/engine/build/status.ts'
import { BuildSteps, TAIL_LINES } from '../../../src/engine/build/steps.ts'
import { VertexSteps } from '../../../src/engine/build/vertex-steps.ts'
import { recorder } from './scripted-buildkit.ts'
import { log, message, status, vertex } from './status-messages.ts'

function following() {
  const { events, onEvent } = recorder()
  const steps = new BuildSteps(new SecretMask(), onEvent)
  const vertexes = new VertexSteps(steps, onEvent)
  return { events, steps, follow: (bytes: Uint8Array) => vertexes.follow(decodeStatus(bytes)) }
}

const step = (number: number, state: string, name = '[1/1] RUN x') => ({
  kind: 'step',
  step: number,
  name,
  state,
})

test('a step that is told again and again starts and ends once, with its output before its end', () => {
  const { events, follow } = following()
  follow(status({ vertexes: [vertex({ started: false })] }))
  follow(status({ vertexes: [vertex({})] }))
  follow(status({ vertexes: [vertex({})], logs: [log('one\ntw'), log('warning\n', 2)] }))
  follow(status({ vertexes: [vertex({ completed: true })], logs: [log('o')] }))
  follow(status({ vertexes: [vertex({ completed: true })] }))
  expect(events).toEqual([
    step(1, 'started'),
    { kind: 'log', step: 1, stream: 'stdout', text: 'one' },
    { kind: 'log', step: 1, stream: 'stderr', text: 'warning' },
    { kind: 'log', step: 1, stream: 'stdout', text: 'two' },
    step(1, 'done'),
  ])
})

test.each([
  ['done', {}],
  ['cached', { cached: true }],
  ['failed', { error: 'exit code: 3' }],
  ['cancelled', { error: 'failed to solve: context canceled' }],
])('a step ends as %s', (state, fields) => {
  const { events, follow } = following()
  follow(status({ vertexes: [vertex({ completed: true, ...fields })] }))
  expect(events).toEqual([step(1, 'started'), step(1, state)])
})

test('steps are numbered as they start; the first that failed is the one to blame', () => {
  const { events, steps, follow } = following()
  const a = { digest: 'a', name: 'A' }
  const b = { digest: 'b', name: 'B' }
  follow(status({ vertexes: [vertex({ ...a, started: false }), vertex(b), vertex(a)] }))
  follow(status({ vertexes: [vertex({ ...a, completed: true, error: 'x' })] }))
  follow(status({ vertexes: [vertex({ ...b, completed: true, error: 'y' })] }))
  expect(events).toEqual([
    ...[step(1, 'started', 'B'), step(2, 'started', 'A')],
    ...[step(2, 'failed', 'A'), step(1, 'failed', 'B')],
  ])
  expect(steps.failed?.name).toBe('A')
})

test('the last lines of a step are kept, and no more', () => {
  const { steps, follow } = following()
  const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`)
  follow(status({ vertexes: [vertex({})], logs: [log(lines.join('\n'))] }))
  follow(status({ vertexes: [vertex({ completed: true, error: 'x' })] }))
  expect(steps.failed?.tail).toEqual(lines.slice(-TAIL_LINES))
})

test('parts of a step have their progress', () => {
  const { events, follow } = following()
  const part = (current: number, total: number) =>
    message({ 1: 'layer\x1b', 2: 'sha256:1', 4: current, 5: total })
  follow(status({ vertexes: [vertex({})], statuses: [part(5, 10), part(5, 0), part(0, 0)] }))
  expect(events.slice(1)).toEqual([
    { kind: 'progress', step: 1, part: 'layer\\x1b', current: 5, total: 10 },
    { kind: 'progress', step: 1, part: 'layer\\x1b', current: 5 },
  ])
})

test('warnings name the line and where to read more', () => {
  const { events, follow } = following()
  const range = message({ 1: message({ 1: 7, 2: 3 }) })
  const full = message({
    1: 'sha256:1',
    2: 1,
    3: 'Casing\x07',
    4: ['detail'].map((text) => Buffer.from(text)),
    5: 'https://x',
    7: [range],
  })
  follow(status({ warnings: [full, message({ 3: 'plain' })] }))
  expect(events).toEqual([
    { kind: 'warning', message: 'Casing\\x07', line: 7, url: 'https://x' },
    { kind: 'warning', message: 'plain' },
  ])
})

test('output of a step that nobody started is no reason to fail', () => {
  const { events, follow } = following()
  follow(status({ logs: [log('lost', 1, 'sha256:other')] }))
  expect(events).toEqual([])
})

test('names of steps come from a Dockerfile: control characters are made visible', () => {
  const { events, follow } = following()
  follow(status({ vertexes: [vertex({ name: 'RUN \x1b[2J' })] }))
  expect(events).toEqual([step(1, 'started', 'RUN \\x1b[2J')])
})
