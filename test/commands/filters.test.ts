import { expect, test } from 'vitest'
import { booleanOf, filters, singleValueOf, valuesOf } from '../../src/commands/options/filters.ts'
import { assertUnset } from '../../src/commands/options/unset.ts'
import { parseUntil } from '../../src/commands/options/until.ts'

const USAGE = expect.objectContaining({ code: 'USAGE' })
const option = filters('only images with', ['dangling', 'label', 'label!'])
const parse = (...texts: string[]) =>
  texts.reduce<ReturnType<NonNullable<typeof option.parse>>>(
    (before, text) => option.parse!(text, before),
    [],
  )

test('filters add up, and a value may hold =', () => {
  expect(parse('label=a=b', 'label!=keep', 'label=c')).toEqual([
    { key: 'label', value: 'a=b' },
    { key: 'label!', value: 'keep' },
    { key: 'label', value: 'c' },
  ])
  expect(valuesOf(parse('label=a=b', 'label!=keep', 'label=c'), 'label')).toEqual(['a=b', 'c'])
})

test.each(['', 'label', 'label=', '=x', 'bogus=1', 'Label=x'])('--filter %j is refused', (text) => {
  expect(() => parse(text)).toThrowError(USAGE)
})

test.each<[string[], boolean | undefined]>([
  [[], undefined],
  [['dangling=true'], true],
  [['dangling=1', 'dangling=1'], true],
  [['dangling=false'], false],
  [['dangling=0'], false],
])('%j is %j', (texts, value) => expect(booleanOf(parse(...texts), 'dangling')).toBe(value))

test.each([[['dangling=maybe']], [['dangling=true', 'dangling=false']]])(
  '%j is neither true nor false',
  (texts) => {
    expect(() => booleanOf(parse(...texts), 'dangling')).toThrowError(USAGE)
  },
)

test('one value only', () =>
  expect(() => singleValueOf(parse('label=a', 'label=b'), 'label')).toThrowError(USAGE))

const NOW = Date.parse('2026-03-01T12:00:00Z')

test.each([
  ['24h', '2026-02-28T12:00:00Z'],
  ['1d12h', '2026-02-28T00:00:00Z'],
  ['1h30m', '2026-03-01T10:30:00Z'],
  ['1.5h', '2026-03-01T10:30:00Z'],
  ['10s', '2026-03-01T11:59:50Z'],
  ['2026-01-31T08:00:00Z', '2026-01-31T08:00:00Z'],
  ['2026-01-31T08:00:00+02:00', '2026-01-31T06:00:00Z'],
  ['1767225600', '2026-01-01T00:00:00Z'],
])('until=%s is before %s', (text, moment) => expect(parseUntil(text, NOW)).toBe(Date.parse(moment)))

test('a date alone is a day of this machine', () => {
  expect(parseUntil('2026-01-31', NOW)).toBe(new Date(2026, 0, 31).getTime())
})

test.each(['yesterday', '24', '-24h', '24 h', '2026-13-01', '2026-01-31 08:00', '', 'h'])(
  'until=%j is refused',
  (text) => {
    expect(() => parseUntil(text, NOW)).toThrowError(USAGE)
  },
)

test('options that mean nothing are refused by their flag, unset ones are not', () => {
  const flags = { a: '--a', b: '--b', c: '--c', d: '--d' }
  const why = 'goes with --local'
  expect(() => assertUnset({ a: undefined, b: false, c: [], d: {} }, flags, why)).not.toThrow()
  for (const given of [{ a: '' }, { b: true }, { c: ['x'] }, { d: { k: 'v' } }, { a: 0 }]) {
    const expected = `--${Object.keys(given)[0]} ${why}`
    expect(() => assertUnset(given as Record<string, unknown>, flags, why)).toThrowError(expected)
  }
})
