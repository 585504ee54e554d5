import { expect, test } from 'vitest'
import { isCI, usesColor } from '../../src/terminal/color.ts'
import { capturedStreams } from './captured-streams.ts'

test.each<[Record<string, string>, boolean, boolean]>([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ NO_COLOR: '' }, true, true],
  [{ TERM: 'dumb' }, true, false],
  [{ FORCE_COLOR: '1' }, false, true],
  [{ FORCE_COLOR: '1', NO_COLOR: '1' }, false, true],
  [{ FORCE_COLOR: '0' }, true, false],
])('colour with %o, terminal %s: %s', (environment, isTTY, colored) => {
  expect(usesColor(environment, isTTY)).toBe(colored)
})

test.each<[Record<string, string>, boolean]>([
  [{}, false],
  [{ CI: 'true' }, true],
  [{ CI: '1' }, true],
  [{ CI: 'false' }, false],
  [{ CI: '' }, false],
])('CI with %o: %s', (environment, is) => expect(isCI(environment)).toBe(is))

test('a person can be asked on a terminal, not in CI and not through a pipe', () => {
  expect(capturedStreams({ tty: true }).interactive).toBe(true)
  expect(capturedStreams({ tty: true, environment: { CI: 'true' } }).interactive).toBe(false)
  expect(capturedStreams().interactive).toBe(false)
})

test('no stream is opened before it is used', () => {
  expect(() => capturedStreams()).not.toThrow()
  const { style } = capturedStreams({ tty: true }).stdout
  expect(style.red('x')).toBe('\x1b[31mx\x1b[39m')
  expect(capturedStreams().stdout.style.red('x')).toBe('x')
})

test('restore runs each action once and never an unregistered one', () => {
  const streams = capturedStreams()
  const ran: string[] = []
  streams.onRestore(() => ran.push('a'))
  streams.onRestore(() => ran.push('b'))()
  streams.restore()
  streams.restore()
  expect(ran).toEqual(['a'])
})
