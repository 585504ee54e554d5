import { afterEach, beforeEach, expect, test, vi } from 'vitest'

beforeEach(() => {
  vi.useFakeTimers({ now: 0 })
})
afterEach(() => {
  vi.useRealTimers()
  vi.doUnmock('node:timers/promises')
})

/** With a clock of the test's own. */
async function limitOf(bytesPerSecond: number) {
  vi.doMock('node:timers/promises', () => ({
    setTimeout: async (ms: number, _: unknown, { signal }: { signal?: AbortSignal } = {}) => {
      signal?.throwIfAborted()
      vi.setSystemTime(Date.now() + ms)
    },
  }))
  vi.resetModules()
  const { RateLimit } = await import('../../src/internal/rate-limit.ts')
  return new RateLimit(bytesPerSecond)
}

test('a hundred chunks take the time of their bytes, within the first one', async () => {
  const limit = await limitOf(1000)
  for (let i = 0; i < 100; i++) await limit.take(100)
  expect(Date.now()).toBe(9_900)
})

test('what several send together keeps to one rate', async () => {
  const limit = await limitOf(1000)
  for (let i = 0; i < 50; i++) {
    await limit.take(150)
    await limit.take(50)
  }
  expect(Date.now()).toBeGreaterThan(9_000)
  expect(Date.now()).toBeLessThanOrEqual(10_000)
})

test('a pause is not made up for', async () => {
  const limit = await limitOf(1000)
  await limit.take(100)
  vi.setSystemTime(60_000)
  for (let i = 0; i < 10; i++) await limit.take(100)
  expect(Date.now()).toBe(60_900)
})

test('an abort ends the wait', async () => {
  const limit = await limitOf(1)
  await limit.take(100)
  const stop = AbortSignal.abort(new Error('enough'))
  await expect(limit.take(1, stop)).rejects.toThrow('enough')
})
