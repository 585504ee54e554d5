import { expect, test } from 'vitest'
import { dockerAge, dockerEllipsis, dockerSize } from '../../../src/commands/views/docker-words.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const HOUR = 3600
const DAY = 24 * HOUR

test.each([
  [0, 'Less than a second ago'],
  [1.9, '1 second ago'],
  [59, '59 seconds ago'],
  [60, 'About a minute ago'],
  [119, 'About a minute ago'],
  [120, '2 minutes ago'],
  [59 * 60, '59 minutes ago'],
  [HOUR, 'About an hour ago'],
  [1.5 * HOUR, '2 hours ago'],
  [47.4 * HOUR, '47 hours ago'],
  [48 * HOUR, '2 days ago'],
  [13 * DAY, '13 days ago'],
  [14 * DAY, '2 weeks ago'],
  [59 * DAY, '8 weeks ago'],
  [60 * DAY, '2 months ago'],
  [729 * DAY, '24 months ago'],
  [730 * DAY, '2 years ago'],
  [-5, 'Less than a second ago'],
])('%d seconds: %s', (seconds, words) => {
  expect(dockerAge(new Date(NOW - seconds * 1000).toISOString(), NOW)).toBe(words)
})

test.each([
  [0, '0B'],
  [298, '298B'],
  [3020, '3.02kB'],
  [4620, '4.62kB'],
  [1_600_000, '1.6MB'],
  [133_000_000, '133MB'],
  [999_900, '1e+03kB'],
])('%d bytes: %s', (bytes, words) => {
  expect(dockerSize(bytes)).toBe(words)
})

test('an ellipsis counts as a character', () => {
  expect(dockerEllipsis('abcdef', 6)).toBe('abcdef')
  expect(dockerEllipsis('abcdefg', 6)).toBe('abcde…')
})
