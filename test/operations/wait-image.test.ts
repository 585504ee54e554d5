import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Image, Reason, ReasonCode } from '../../src/contract/image.ts'
import { ImgctlError } from '../../src/errors/error.ts'
import { waitForImage } from '../../src/operations/wait-image.ts'
import { image, notFound } from './images.ts'

/** A sleep moves the clock and takes no time. */
vi.mock('node:timers/promises', () => ({
  setTimeout: async (milliseconds: number, _: unknown, { signal }: { signal?: AbortSignal } = {}) => {
    await Promise.resolve()
    if (signal?.aborted) throw new Error('aborted while it slept')
    vi.setSystemTime(Date.now() + milliseconds)
  },
}))

beforeEach(() => {
  vi.useFakeTimers({ now: 0 })
})
afterEach(() => {
  vi.useRealTimers()
})

type Step = Image | Error

/** Answers the steps one after the other, the last for ever. */
function serverOf(...steps: Step[]) {
  const asked: string[] = []
  return {
    asked,
    image: async (id: string): Promise<Image> => {
      const step = steps[Math.min(asked.length, steps.length - 1)]!
      asked.push(id)
      if (step instanceof Error) throw step
      return step
    },
  }
}

function reason(code: ReasonCode, retryable = false): Reason {
  return { code, message: `why ${code}`, hint: 'do this', retryable, at: '2026-01-01T00:00:00Z', attempt: 1 }
}
const unreachable = () => new ImgctlError('SERVER_UNREACHABLE', 'gone', { retryable: true })

test('what the server just said is told, and not asked for', async () => {
  const seen: string[] = []
  const onState = ({ state }: Image) => seen.push(state)
  const server = serverOf(image())
  const from = image({ state: 'validating' })
  await waitForImage(server, 'id-1', { deadlineMs: 60_000, from, onState })
  expect([seen, server.asked]).toEqual([['validating', 'active'], ['id-1']])
  const nobody = serverOf(notFound())
  await waitForImage(nobody, 'id-1', { deadlineMs: 60_000, from: image() })
  expect(nobody.asked).toEqual([])
})

test('each state is told once, and the active image is the answer', async () => {
  const states = [
    image({ state: 'pending' }),
    image({ state: 'pending' }),
    image({ state: 'validating' }),
    image(),
  ]
  const seen: string[] = []
  const server = serverOf(...states)
  const onState = ({ state }: Image) => seen.push(state)
  const active = await waitForImage(server, 'id-1', { deadlineMs: 60_000, onState })
  expect([active.state, seen, new Set(server.asked)]).toEqual([
    'active',
    ['pending', 'validating', 'active'],
    new Set(['id-1']),
  ])
})

test.each<[ReasonCode, string, number]>([
  ['ARCH_MISMATCH', 'ARCH_MISMATCH', 5],
  ['MANIFEST_INVALID', 'MANIFEST_INVALID', 5],
  ['BLOB_MISSING', 'BLOB_MISSING', 5],
  ['DIGEST_MISMATCH', 'DIGEST_MISMATCH', 5],
  ['TOO_LARGE', 'TOO_LARGE', 5],
  ['QUOTA_EXCEEDED', 'QUOTA_EXCEEDED', 1],
  ['NO_ENTRYPOINT', 'IMAGE_REJECTED', 5],
  ['UPSTREAM_NOT_FOUND', 'IMAGE_REJECTED', 5],
  ['UPSTREAM_AUTH', 'IMAGE_REJECTED', 5],
  ['SOURCE_FORBIDDEN', 'IMAGE_REJECTED', 5],
  ['TIMEOUT', 'IMAGE_REJECTED', 5],
  ['INTERNAL', 'SERVER_ERROR', 1],
])('an image in error for %s is %s, exit %d, with the hint', async (code, expected, exitCode) => {
  const server = serverOf(image({ state: 'error', reason: reason(code) }))
  await expect(waitForImage(server, 'i', { deadlineMs: 1000 })).rejects.toMatchObject({
    code: expected,
    exitCode,
    message: expect.stringContaining(`why ${code} (${code})`),
    hint: 'do this',
  })
})

test('a reason that may pass says how to try again', async () => {
  const server = serverOf(image({ state: 'error', reason: reason('UPSTREAM_UNREACHABLE', true) }))
  await expect(waitForImage(server, 'i', { deadlineMs: 1000 })).rejects.toMatchObject({
    hint: expect.stringContaining('imgctl image retry app:1.0'),
  })
})

test('an error without a reason is an error all the same', async () => {
  const server = serverOf(image({ state: 'error' }))
  await expect(waitForImage(server, 'i', { deadlineMs: 1000 })).rejects.toMatchObject({
    code: 'IMAGE_REJECTED',
  })
})

test.each<[string, Step]>([
  ['is being removed', image({ state: 'removing' })],
  ['is gone', notFound()],
])('an image that %s while it is waited for ends the wait', async (_, step) => {
  const server = serverOf(image({ state: 'pending' }), step)
  await expect(waitForImage(server, 'i', { deadlineMs: 60_000 })).rejects.toMatchObject({
    code: 'IMAGE_NOT_FOUND',
    message: expect.stringContaining('was deleted'),
  })
})

test('an image that never was is not found', async () => {
  await expect(waitForImage(serverOf(notFound()), 'i', { deadlineMs: 1000 })).rejects.toMatchObject({
    message: 'there is no such image',
  })
})

test('at the deadline the work goes on', async () => {
  const server = serverOf(image({ state: 'pulling_image' }))
  await expect(waitForImage(server, 'i', { deadlineMs: 600_000 })).rejects.toMatchObject({
    code: 'TIMEOUT',
    exitCode: 6,
    message: expect.stringMatching(/pulling_image.*still running on the server/),
  })
  // Polls grow apart to 2 s: some 300 in ten minutes, not thousands.
  expect(server.asked.length).toBeLessThan(320)
})

test('a server that is being restarted is waited for', async () => {
  const server = serverOf(image({ state: 'pending' }), unreachable(), unreachable(), image())
  expect((await waitForImage(server, 'i', { deadlineMs: 60_000 })).state).toBe('active')
})

test('a server that stays away is told, before the deadline', async () => {
  const server = serverOf(image({ state: 'pending' }), unreachable())
  await expect(waitForImage(server, 'i', { deadlineMs: 600_000 })).rejects.toMatchObject({
    code: 'SERVER_UNREACHABLE',
  })
  expect(Date.now()).toBeLessThan(70_000)
})

test('an abort ends the wait with its reason', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const interrupted = new ImgctlError('INTERRUPTED', 'interrupted')
  const onState = () => controller.abort(interrupted)
  const wait = waitForImage(serverOf(image({ state: 'pending' })), 'i', {
    deadlineMs: 60_000,
    signal,
    onState,
  })
  await expect(wait).rejects.toBe(interrupted)
})
