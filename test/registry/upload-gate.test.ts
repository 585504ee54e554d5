import { randomBytes } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { ImgctlError } from '../../src/errors/error.ts'
import { UploadGate } from '../../src/registry/upload-gate.ts'
import { faultProxy } from '../support/fault-proxy.ts'
import { onParts, refusal, times, together } from '../support/faults.ts'
import { sha256 } from './faulty-registry.ts'
import { faultyRegistry, openClient } from './open-client.ts'
import { MIB, streamOf } from './upload-setup.ts'

const busy = new ImgctlError('RATE_LIMITED', 'slow down', { status: 429, retryable: true })

test('a registry that is told to be too busy by four uploads gets one at a time, and later more again', async () => {
  const registry = await faultyRegistry()
  const underWay: number[] = []
  const slowly = onParts(() => {
    underWay.push(proxy.of('PATCH').filter(({ status }) => status === 0).length)
    return { bytesPerSecond: 16 * MIB }
  })
  const tooMany = times(4, onParts(refusal(429, 'TOOMANYREQUESTS', { 'retry-after': '0' })))
  const proxy = await faultProxy(registry.origin, together(tooMany, slowly))
  onTestFinished(proxy.close)
  const { client } = openClient({ tuning: { chunkBytes: MIB } })
  const repository = client.open({ ...registry.location, host: proxy.host })
  const blobs = Array.from({ length: 4 }, () => randomBytes(4 * MIB))
  await Promise.all(
    blobs.map((bytes) =>
      repository.writeBlob({ digest: sha256(bytes), size: bytes.length }, (from) =>
        streamOf(bytes.subarray(from)),
      ),
    ),
  )
  expect(blobs.filter((bytes) => registry.blobs.get(sha256(bytes))?.equals(bytes))).toHaveLength(4)
  // The four that were refused, then each part once.
  expect(underWay).toHaveLength(4 + 16)
  expect(underWay.slice(4, 10)).toEqual([1, 1, 1, 1, 1, 1])
  expect(Math.max(...underWay.slice(10, 16))).toBe(2)
})

test('one refusal, and failures of another kind, change nothing', async () => {
  const gate = new UploadGate()
  const failing = (error: Error) => gate.run(() => Promise.reject(error)).catch(() => {})
  await failing(busy)
  for (const status of [500, 404, 413]) await failing(new ImgctlError('REGISTRY_ERROR', 'no', { status }))
  let peak = 0
  let now = 0
  const action = async () => {
    peak = Math.max(peak, ++now)
    await new Promise((resolve) => setTimeout(resolve, 10))
    now--
  }
  await Promise.all(Array.from({ length: 5 }, () => gate.run(action)))
  expect(peak).toBe(5)
})

test('who waits for room leaves when the push is stopped', async () => {
  const gate = new UploadGate()
  for (let i = 0; i < 2; i++) await gate.run(() => Promise.reject(busy)).catch(() => {})
  const stop = new AbortController()
  const { promise: first, resolve } = Promise.withResolvers<void>()
  const running = gate.run(() => first)
  let ran = false
  const waiting = gate.run(async () => {
    ran = true
  }, stop.signal)
  stop.abort(new Error('enough'))
  resolve()
  await running
  await expect(waiting).rejects.toThrow('enough')
  expect(ran).toBe(false)
})
