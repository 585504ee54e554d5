import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { STREAM_CHUNK_BYTES } from '../../src/registry/blob-writer.ts'
import { sha256 } from './faulty-registry.ts'
import { faultyRegistry, openClient, rejection } from './open-client.ts'
import { blob, bytes, isPatch, MIB, streamOf, uploadSetup } from './upload-setup.ts'

test('a proxy with a limit of 1 MiB: chunks are halved down to it, once for the repository', async () => {
  const { registry, retried, repository, write, arrived } = await uploadSetup()
  registry.fault = (request) =>
    Number(request.headers['content-length'] ?? 0) > MIB
      ? { answer: 413, headers: { server: 'nginx/1.22', connection: 'close' } }
      : undefined
  await write()
  expect(arrived()).toBe(true)
  expect(retried).toEqual([])
  const refused = registry.seen.filter(isPatch).filter((each) => Number(each.headers['content-length']) > MIB)
  expect(refused.map((each) => Number(each.headers['content-length']))).toEqual([
    blob.size,
    ...[10, 5, 2.5, 1.25].map((mib) => Math.floor((mib * MIB * blob.size) / (20 * MIB))),
  ])
  expect(registry.bytes('PATCH')).toBe(blob.size)
  const second = randomBytes(3 * MIB)
  await repository.writeBlob({ digest: sha256(second), size: second.byteLength }, (offset) =>
    streamOf(second.subarray(offset)),
  )
  expect(registry.seen.filter(isPatch).slice(-3)).toHaveLength(3)
  expect(registry.seen.slice(-4).map((each) => each.bytes)).toEqual([MIB, MIB, MIB, 0])
})

test('a proxy that cuts the connection instead of answering 413 is got through, too', async () => {
  const { registry, write, arrived } = await uploadSetup()
  registry.fault = (request) =>
    Number(request.headers['content-length'] ?? 0) > MIB ? { cutAfter: 0 } : undefined
  await write()
  expect(arrived()).toBe(true)
})

test('a proxy that refuses even 1 MiB is named', async () => {
  const { registry, write } = await uploadSetup()
  registry.fault = (request) =>
    isPatch(request) ? { answer: 413, headers: { server: 'ng\x9b31minx', connection: 'close' } } : undefined
  const error = await rejection(write())
  expect(error).toMatchObject({ code: 'TOO_LARGE', status: 413 })
  expect(String(error)).toMatch(/ng.*inx.*1048576 bytes/)
  expect(String(error)).not.toContain('\x9b')
  expect(registry.sessions.size).toBe(0)
})

test('chunks are as large as the registry wants them at least', async () => {
  const { registry, writeStream, arrived } = await uploadSetup()
  const wanted = STREAM_CHUNK_BYTES + 3 * MIB
  registry.headers = ({ method }) => (method === 'POST' ? { 'oci-chunk-min-length': String(wanted) } : {})
  await writeStream()
  expect(arrived()).toBe(true)
  expect(registry.seen.filter(isPatch).map((each) => each.bytes)).toEqual([wanted, blob.size - wanted])
})

test('a proxy with a limit of 100 MB: what is larger goes in chunks, and not one byte twice', async () => {
  const LIMIT = 100_000_000
  const large = Buffer.alloc(LIMIT + 5 * MIB, 'x')
  const made = { digest: sha256(large), size: large.byteLength }
  const registry = await faultyRegistry()
  registry.fault = (request) =>
    isPatch(request) && Number(request.headers['content-length']) > LIMIT
      ? { answer: 413, headers: { connection: 'close' } }
      : undefined
  const { client } = openClient()
  await client.open(registry.location).writeBlob(made, (offset) => Readable.from([large.subarray(offset)]))
  const patches = registry.seen.filter(isPatch)
  expect(patches[0]?.bytes).toBe(0)
  expect(registry.bytes('PATCH')).toBe(large.byteLength)
  expect(patches.length).toBe(1 + Math.ceil(large.byteLength / (16 * MIB)))
  expect(registry.blobs.has(made.digest)).toBe(true)
})

test.each([
  [500, {}],
  [429, { 'retry-after': '0' }],
  [503, { 'retry-after': new Date(0).toUTCString() }],
])('each chunk has its own tries: %i once for every one of them is survived', async (status, headers) => {
  const registry = await faultyRegistry()
  const failed = new Set<string>()
  registry.fault = (request) => {
    const range = request.headers['content-range'] ?? ''
    if (!isPatch(request) || failed.has(range)) return undefined
    failed.add(range)
    return { answer: status, headers }
  }
  const { client, retried } = openClient({ tuning: { retries: 1, chunkBytes: 2 * MIB } })
  await client.open(registry.location).writeStream(streamOf(bytes), () => blob)
  expect(retried).toHaveLength(Math.ceil(blob.size / (2 * MIB)))
  expect(registry.bytes('PATCH')).toBe(blob.size)
})

test('--retries 0: the first failure is the last', async () => {
  const registry = await faultyRegistry()
  registry.fault = (request) => (isPatch(request) ? { answer: 503 } : undefined)
  const { client } = openClient({ tuning: { retries: 0 } })
  const writing = client.open(registry.location).writeStream(streamOf(bytes), () => blob)
  expect(await rejection(writing)).toMatchObject({ status: 503 })
  expect(registry.count('PATCH')).toBe(1)
})
