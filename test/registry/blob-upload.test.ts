import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { CHUNK_BYTES } from '../../src/registry/blob-upload.ts'
import { sha256, times } from './faulty-registry.ts'
import { rejection } from './open-client.ts'
import { blob, isPatch, MIB, uploadSetup } from './upload-setup.ts'

test('an undisturbed blob is one streamed PATCH', async () => {
  const { registry, progress, write, arrived } = await uploadSetup()
  await write()
  expect(arrived()).toBe(true)
  expect(registry.seen.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'PUT'])
  expect(registry.seen[1]?.headers).toMatchObject({ 'content-length': String(blob.size) })
  expect(registry.seen[1]?.headers).not.toHaveProperty('content-range')
  expect(registry.seen[2]?.query.get('state')).toBe('a b')
  expect(progress.sum).toBe(blob.size)
})

test('an empty blob has no PATCH', async () => {
  const { registry, repository } = await uploadSetup()
  const empty = { digest: sha256(Buffer.alloc(0)), size: 0 }
  await repository.writeBlob(empty, () => Readable.from([]))
  await repository.writeStream(Readable.from([]), () => empty)
  expect(registry.count('PATCH')).toBe(0)
  expect(registry.blobs.get(empty.digest)?.byteLength).toBe(0)
})

test('a connection that is cut at 60 % goes on where the registry is', async () => {
  const { registry, retried, opened, progress, write, arrived } = await uploadSetup()
  registry.fault = times(1, (request) => (isPatch(request) ? { cutAfter: 12 * MIB } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect(opened).toEqual([0, 12 * MIB])
  expect(registry.bytes('PATCH')).toBe(blob.size)
  expect(registry.count('POST')).toBe(1)
  expect(retried.map(({ code }) => code)).toEqual(['REGISTRY_UNREACHABLE'])
  expect(progress.sum).toBe(blob.size)
})

test('a line that is cut every 3 MiB ends well, and nothing is sent twice', async () => {
  const { registry, progress, write, arrived } = await uploadSetup()
  registry.fault = times(6, (request) => (isPatch(request) ? { cutAfter: 3 * MIB } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect(registry.bytes('PATCH')).toBe(blob.size)
  expect(progress.sum).toBe(blob.size)
})

test('a line that never gains anything is given up, and the session cancelled', async () => {
  const { registry, retried, write, arrived } = await uploadSetup()
  registry.fault = (request) => (isPatch(request) ? { cutAfter: 0 } : undefined)
  expect(await rejection(write())).toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
  expect(registry.count('PATCH')).toBe(5)
  expect(retried).toHaveLength(4)
  expect(arrived()).toBe(false)
  expect(registry.sessions.size).toBe(0)
})

test.each([408, 425, 429, 500, 502, 503, 504])('%i three times, then the upload goes on', async (status) => {
  const { registry, retried, write, arrived } = await uploadSetup()
  registry.fault = times(3, (request) => (isPatch(request) ? { answer: status } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect(retried.map((error) => error.status)).toEqual([status, status, status])
})

test('409 with Retry-After: the session is held by a connection that is gone, so it is tried again', async () => {
  const { registry, retried, write, arrived } = await uploadSetup()
  const headers = { 'retry-after': '0' }
  registry.fault = times(2, (request) => (isPatch(request) ? { answer: 409, headers } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect(retried.map((error) => error.status)).toEqual([409, 409])
})

test.each([
  [403, 'DENIED', 'FORBIDDEN'],
  [400, 'NAME_INVALID', 'NAME_INVALID'],
  [507, 'UNKNOWN', 'DISK_FULL'],
  [501, 'UNSUPPORTED', 'UNSUPPORTED'],
])('%i is final: shown at once with what the registry says', async (status, code, expected) => {
  const { registry, retried, write } = await uploadSetup()
  const body = JSON.stringify({ errors: [{ code, message: 'because I say so' }] })
  registry.fault = (request) => (isPatch(request) ? { answer: status, body } : undefined)
  const error = await rejection(write())
  expect(error).toMatchObject({ code: expected, status })
  expect(String(error)).toContain(`${code}: because I say so`)
  expect(retried).toEqual([])
  expect(registry.count('PATCH')).toBe(1)
  expect(registry.sessions.size).toBe(0)
})

test('a lost answer to a PATCH costs nothing: the session has it all', async () => {
  const { registry, write, arrived } = await uploadSetup()
  registry.fault = times(1, (request) => (isPatch(request) ? { loseAnswer: true } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect(registry.bytes('PATCH')).toBe(blob.size)
})

test('a lost answer to the commit is found out by looking', async () => {
  const { registry, write, arrived } = await uploadSetup()
  registry.fault = times(1, ({ method }) => (method === 'PUT' ? { loseAnswer: true } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect([registry.count('PUT'), registry.count('PATCH')]).toEqual([1, 1])
})

test('a commit that fails is tried again without sending the blob again', async () => {
  const { registry, write, arrived } = await uploadSetup()
  registry.fault = times(2, ({ method }) => (method === 'PUT' ? { answer: 503 } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect([registry.count('PUT'), registry.bytes('PATCH')]).toEqual([3, blob.size])
})

test('a session that the registry has forgotten is begun anew', async () => {
  const { registry, progress, opened, write, arrived } = await uploadSetup()
  registry.fault = times(1, (request) => {
    if (!isPatch(request)) return undefined
    registry.sessions.clear()
    return { cutAfter: 5 * MIB }
  })
  await write()
  expect(arrived()).toBe(true)
  expect(registry.count('POST')).toBe(2)
  expect(opened).toEqual([0, 0, CHUNK_BYTES])
  expect(progress.sum).toBe(blob.size)
})
