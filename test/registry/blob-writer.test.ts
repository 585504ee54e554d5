import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { STREAM_CHUNK_BYTES } from '../../src/registry/blob-writer.ts'
import { sha256, times } from './faulty-registry.ts'
import { faultyRegistry, openClient, rejection } from './open-client.ts'
import { requireTokens } from './tokens.ts'
import { blob, bytes, isPatch, MIB, uploadSetup } from './upload-setup.ts'

test('other bytes than the digest says are refused', async () => {
  const { registry, repository } = await uploadSetup()
  const wrong = { digest: sha256(Buffer.from('right')), size: 5 }
  const error = await rejection(repository.writeBlob(wrong, () => Readable.from([Buffer.from('wrong')])))
  expect(error).toMatchObject({ code: 'DIGEST_MISMATCH' })
  expect(registry.blobs.size).toBe(0)
})

test('a source that is shorter than it said ends the upload, with nothing left', async () => {
  const { registry, repository } = await uploadSetup()
  const short = repository.writeBlob({ digest: blob.digest, size: 100 }, () =>
    Readable.from([Buffer.alloc(60)]),
  )
  expect(await rejection(short)).toMatchObject({ code: 'DIGEST_MISMATCH' })
  expect([registry.blobs.size, registry.sessions.size, registry.count('PUT')]).toEqual([0, 0, 0])
})

test('what reading the source throws comes out as it is, without a retry', async () => {
  const { registry, retried, repository } = await uploadSetup()
  const broken = new Error('disk on fire')
  const failing = Readable.from(
    (async function* () {
      yield Buffer.alloc(10)
      throw broken
    })(),
    { objectMode: false },
  )
  expect(await rejection(repository.writeBlob({ digest: blob.digest, size: 100 }, () => failing))).toBe(
    broken,
  )
  expect(retried).toEqual([])
  expect(registry.sessions.size).toBe(0)
})

test('an abort ends a long wait before the next try', async () => {
  const registry = await faultyRegistry()
  const stop = new AbortController()
  const { client } = openClient({
    retry: { baseMs: 3_600_000, maxMs: 3_600_000 },
    onRetry: () => setImmediate(() => stop.abort(new Error('enough'))),
  })
  registry.fault = (request) => (isPatch(request) ? { answer: 503 } : undefined)
  const small = { digest: sha256(Buffer.from('x')), size: 1 }
  const open = () => Readable.from([Buffer.from('x')])
  const writing = client.open(registry.location).writeBlob(small, open, { signal: stop.signal })
  expect(await rejection(writing)).toMatchObject({ message: 'enough' })
  expect(registry.sessions.size).toBe(0)
})

test('an abort ends a stream that gives nothing', async () => {
  const { registry, repository } = await uploadSetup()
  const stop = new AbortController()
  const stream = new Readable({ read: () => void setImmediate(() => stop.abort(new Error('enough'))) })
  const writing = repository.writeStream(stream, () => blob, { signal: stop.signal })
  expect(await rejection(writing)).toMatchObject({ message: 'enough' })
  expect(stream.destroyed).toBe(true)
  expect(registry.sessions.size).toBe(0)
})

test('an abort stops the upload with its reason and cancels the session', async () => {
  const { registry, write } = await uploadSetup()
  const stop = new AbortController()
  registry.fault = (request) => {
    if (!isPatch(request)) return undefined
    setImmediate(() => stop.abort(new Error('enough')))
    return { silent: true }
  }
  const error = await rejection(write(stop.signal))
  expect(error).toMatchObject({ message: 'enough' })
  expect([registry.sessions.size, registry.blobs.size]).toEqual([0, 0])
})

test('a stream goes in chunks, each confirmed', async () => {
  const { registry, progress, writeStream, arrived } = await uploadSetup()
  await writeStream()
  expect(arrived()).toBe(true)
  const patches = registry.seen.filter(isPatch)
  expect(patches.map((each) => each.bytes)).toEqual([
    STREAM_CHUNK_BYTES,
    STREAM_CHUNK_BYTES,
    blob.size - 2 * STREAM_CHUNK_BYTES,
  ])
  expect(patches[1]?.headers['content-range']).toBe(`${STREAM_CHUNK_BYTES}-${2 * STREAM_CHUNK_BYTES - 1}`)
  expect(progress.sum).toBe(blob.size)
})

test('a chunk of a stream that is cut is sent from the cut on', async () => {
  const { registry, writeStream, progress, arrived } = await uploadSetup()
  registry.fault = times(1, (request) =>
    isPatch(request) && registry.count('PATCH') === 2 ? { cutAfter: 3 * MIB } : undefined,
  )
  await writeStream()
  expect(arrived()).toBe(true)
  expect(registry.bytes('PATCH')).toBe(blob.size)
  expect(progress.sum).toBe(blob.size)
})

test('a stream whose session is lost cannot be begun anew, and says that another try may help', async () => {
  const { registry, writeStream } = await uploadSetup()
  registry.fault = times(1, (request) => {
    if (!isPatch(request) || registry.count('PATCH') < 2) return undefined
    registry.sessions.clear()
    return { cutAfter: MIB }
  })
  expect(await rejection(writeStream())).toMatchObject({ code: 'UPLOAD_LOST', retryable: true })
  expect(registry.count('POST')).toBe(1)
})

test('a stream that fails is the error, and the session is cancelled', async () => {
  const { registry, writeStream } = await uploadSetup()
  const broken = new Error('compressor died')
  const stream = Readable.from(
    (async function* () {
      yield bytes.subarray(0, STREAM_CHUNK_BYTES)
      throw broken
    })(),
    { objectMode: false },
  )
  expect(await rejection(writeStream(stream))).toBe(broken)
  expect(registry.sessions.size).toBe(0)
  expect(stream.destroyed).toBe(true)
})

test('a stream of another length than its descriptor is not committed', async () => {
  const { registry, writeStream } = await uploadSetup()
  const error = await rejection(writeStream(Readable.from([bytes.subarray(0, 100)])))
  expect(error).toMatchObject({ code: 'DIGEST_MISMATCH' })
  expect([registry.count('PUT'), registry.sessions.size]).toEqual([0, 0])
})

test('a mount links the blob; a mount that is not done leaves no session', async () => {
  const { registry, repository } = await uploadSetup()
  const tokens = requireTokens(registry)
  registry.blobs.set(blob.digest, bytes)
  expect(await repository.mountBlob(blob.digest, 'team/base')).toBe(true)
  expect(tokens.given).toEqual(['repository:team/app:pull,push repository:team/base:pull'])
  expect(await repository.mountBlob(sha256(Buffer.from('x')), 'team/base')).toBe(false)
  expect(registry.sessions.size).toBe(0)
})

test.each([400, 403, 404, 405])('a mount that is answered with %i means upload it', async (status) => {
  const { registry, repository } = await uploadSetup()
  registry.fault = () => ({ answer: status })
  expect(await repository.mountBlob(blob.digest, 'team/base')).toBe(false)
})
