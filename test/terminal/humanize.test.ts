import { expect, test } from 'vitest'
import { humanAge, humanBytes, humanDuration } from '../../src/terminal/humanize.ts'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.00 kB'],
  [9_994, '9.99 kB'],
  [9_996, '10.0 kB'],
  [99_960, '100 kB'],
  [999_499, '999 kB'],
  [999_600, '1.00 MB'],
  [2_350_000_000, '2.35 GB'],
])('%d bytes are %s', (bytes, text) => expect(humanBytes(bytes)).toBe(text))

test.each([
  [850, '850 ms'],
  [12_400, '12 s'],
  [60_000, '1m'],
  [185_000, '3m 5s'],
  [7_800_000, '2h 10m'],
])('%d ms are %s', (ms, text) => expect(humanDuration(ms)).toBe(text))

const NOW = Date.parse('2026-01-02T00:00:00Z')
test.each([
  ['2026-01-01T23:59:30Z', '< 1 minute ago'],
  ['2026-01-01T23:59:00Z', '1 minute ago'],
  ['2026-01-01T22:00:00Z', '2 hours ago'],
  ['2025-12-31T00:00:00Z', '2 days ago'],
  ['2026-01-03T00:00:00Z', '< 1 minute ago'],
])('%s was %s', (time, text) => expect(humanAge(time, NOW)).toBe(text))

test('the zero time is no time', () => expect(humanAge('0001-01-01T00:00:00Z', NOW)).toBe('-'))
