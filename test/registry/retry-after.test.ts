import { expect, test } from 'vitest'
import { retryAfterOf } from '../../src/registry/retry-after.ts'

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
const wait = (headers: Record<string, string>, status = 429) =>
  retryAfterOf({ status, header: (name) => headers[name] })

test.each([
  [{}, undefined],
  [{ 'retry-after': '30' }, 30],
  [{ 'retry-after': '0' }, 0],
  [{ 'retry-after': 'soon' }, undefined],
  [{ 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' }, 0],
  [{ 'retry-after': '30', 'ratelimit-reset': '60' }, 30],
  [{ 'ratelimit-reset': '60' }, 60],
  [{ 'ratelimit-reset': '60;w=100' }, undefined],
  [{ 'x-ratelimit-reset': '-5' }, undefined],
  [{ ratelimit: '"default";r=0;t=45' }, 45],
  [{ ratelimit: 'limit=100, remaining=0, reset=50' }, 50],
  [{ ratelimit: 'cost=5' }, undefined],
  [{ 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' }, 900],
  [{ 'ratelimit-limit': '100' }, undefined],
])('%j: %s seconds', (headers, seconds) => {
  expect(wait(headers)).toBe(seconds)
})

test.each(['x-retry-after', 'x-ratelimit-reset', 'x-rate-limit-reset'])('%s may be a moment', (name) => {
  const seconds = wait({ [name]: String(inSeconds(100)) })!
  expect(seconds).toBeGreaterThan(90)
  expect(seconds).toBeLessThanOrEqual(101)
  expect(wait({ [name]: String(inSeconds(-100)) })).toBe(0)
})

test('an answer that is no 429 has a wait only when it says so outright', () => {
  expect(wait({ 'ratelimit-reset': '60', 'ratelimit-limit': '100;w=60' }, 503)).toBeUndefined()
  expect(wait({ 'retry-after': '5' }, 503)).toBe(5)
})
