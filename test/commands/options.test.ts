import { expect, test } from 'vitest'
import { entrypoint, labels } from '../../src/commands/options/image.ts'
import { choice, duration, integer, text, texts } from '../../src/commands/options/kinds.ts'
import { format } from '../../src/commands/options/output.ts'
import { splitWords } from '../../src/commands/options/words.ts'

const USAGE = expect.objectContaining({ code: 'USAGE' })

test.each([
  ['sleep infinity', ['sleep', 'infinity']],
  ['  a   b  ', ['a', 'b']],
  [`sh -c 'echo "hi there"'`, ['sh', '-c', 'echo "hi there"']],
  [`sh -c "echo 'x' \\"y\\""`, ['sh', '-c', `echo 'x' "y"`]],
  ['a\\ b c', ['a b', 'c']],
  [`'a'"b"c`, ['abc']],
  [`a ''`, ['a', '']],
  [`"a\\nb"`, ['a\\nb']],
  ['', []],
])('%s is split as a shell does', (line, words) => expect(splitWords(line)).toEqual(words))

test.each(["'open", '"open'])('%s has an open quote', (line) => expect(splitWords(line)).toBeUndefined())

test.each<[string, readonly string[]]>([
  ['sleep infinity', ['sleep', 'infinity']],
  ['["sh","-c","a  b"]', ['sh', '-c', 'a  b']],
])('--entrypoint %s', (value, words) => expect(entrypoint.parse!(value, undefined)).toEqual(words))

test.each(['', '   ', '[]', '["a",1]', '["a"', "'open"])('--entrypoint %j is refused', (value) => {
  expect(() => entrypoint.parse!(value, undefined)).toThrowError(USAGE)
})

test('labels add up, a later one wins, and the value may hold =', () => {
  const one = labels.parse!('team=web', {})
  expect(labels.parse!('team=a=b', labels.parse!('x=', one))).toEqual({ team: 'a=b', x: '' })
})

test.each(['', 'team', '=web'])('--label %j is refused', (value) => {
  expect(() => labels.parse!(value, {})).toThrowError(USAGE)
})

const TIMEOUT = duration('--timeout <time>', '', '10m')
test.each([
  ['90s', 90_000],
  ['10m', 600_000],
  ['1h30m', 5_400_000],
  ['250ms', 250],
  ['5', 5000],
  ['0', 0],
])('--timeout %s is %d ms', (value, ms) => expect(TIMEOUT.parse!(value, 0)).toBe(ms))

test.each(['', 'soon', '-5s', '1.5h', '10 m', '10x'])('--timeout %j is refused', (value) => {
  expect(() => TIMEOUT.parse!(value, 0)).toThrowError(USAGE)
})

test('a duration has its default in milliseconds and says it as it was written', () => {
  expect([TIMEOUT.absent, TIMEOUT.absentText]).toEqual([600_000, '10m'])
})

const LIMIT = integer('-l, --limit <n>', '', { min: 1, max: 200 })
test.each(['0', '201', '-1', '1e2', '1.0', 'x', ''])('--limit %j is refused', (value) => {
  expect(() => LIMIT.parse!(value, undefined)).toThrowError(USAGE)
})
test('--limit 200', () => expect(LIMIT.parse!('200', undefined)).toBe(200))

test('a choice names what it takes', () => {
  const order = choice('--order <direction>', '', ['asc', 'desc'])
  expect(order.parse!('asc', undefined)).toBe('asc')
  expect(() => order.parse!('up', undefined)).toThrowError(/--order does not take "up": .*asc, desc/)
})

test('a text is never empty; a repeated one adds up', () => {
  expect(() => text('--name <n>', '').parse!('', undefined)).toThrowError(USAGE)
  const state = texts('--state <s>', '')
  expect(state.parse!('b', state.parse!('a', []))).toEqual(['a', 'b'])
})

test.each(['xml', '', 'JSON', '{.Name}'])('--format %j is refused', (value) => {
  expect(() => format().parse!(value, { kind: 'table' })).toThrowError(USAGE)
})
