import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { STREAM_CHUNK_BYTES } from '../../src/registry/blob-writer.ts'
import { sha256 } from './faulty-registry.ts'
import { rejection } from './open-client.ts'
import { blob, isPatch, MIB, streamOf, uploadSetup } from './upload-setup.ts'

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
