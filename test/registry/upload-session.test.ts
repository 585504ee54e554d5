import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { STREAM_CHUNK_BYTES } from '../../src/registry/blob-writer.ts'
import { sha256 } from './faulty-registry.ts'
import { faultyRegistry, rejection } from './open-client.ts'
import { requireTokens } from './tokens.ts'
import { blob, bytes, isPatch, MIB, uploadSetup } from './upload-setup.ts'

/** What a connection holds that was cut: sent, never seen by the registry. */
const IN_FLIGHT = 8 * MIB

test.each([
  ['relative', (path: string) => path],
  ['relative to the request', (path: string) => path.split('/').at(-1) ?? ''],
])('a Location that is %s', async (_, rewrite) => {
  const { registry, write, arrived } = await uploadSetup()
  let location = ''
  registry.headers = ({ method, path }) => {
    if (method === 'POST') location = `${path}${[...registry.sessions.keys()].at(-1)}?state=x`
    return location ? { location: rewrite(location) } : {}
  }
  await write()
  expect(arrived()).toBe(true)
})

test('a registry without a Location is told so', async () => {
  const { registry, write } = await uploadSetup()
  registry.headers = ({ method }) => (method === 'POST' ? { location: undefined } : {})
  expect(await rejection(write())).toMatchObject({ code: 'REGISTRY_ERROR' })
})

test('an upload that goes on at another origin gets no credentials', async () => {
  const { registry, repository } = await uploadSetup()
  const other = await faultyRegistry()
  other.sessions.set('elsewhere', [])
  requireTokens(registry)
  registry.headers = ({ method }) =>
    method === 'POST' ? { location: `${other.origin}/v2/team/app/blobs/uploads/elsewhere` } : {}
  const small = Buffer.from('small')
  await repository.writeBlob({ digest: sha256(small), size: 5 }, () => Readable.from([small]))
  expect(other.seen.map(({ method }) => method)).toEqual(['PATCH', 'PUT'])
  expect(other.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined])
  expect(other.blobs.has(sha256(small))).toBe(true)
})

test('a token that expires in the middle of an upload is renewed, and the body sent again', async () => {
  const { registry, opened, progress, write, arrived } = await uploadSetup()
  const tokens = requireTokens(registry)
  const guarded = registry.fault
  let revoked = false
  registry.fault = (request) => {
    if (isPatch(request) && !revoked) {
      revoked = true
      tokens.revokeAll()
    }
    return guarded(request)
  }
  await write()
  expect(arrived()).toBe(true)
  expect(tokens.given).toEqual(['repository:team/app:pull,push', 'repository:team/app:pull,push'])
  expect(opened[0]).toBe(0)
  expect(registry.bytes('PATCH')).toBeLessThanOrEqual(blob.size + IN_FLIGHT)
  expect(progress.sum).toBe(blob.size)
})

test('tokens that live shorter than an upload are renewed on the way', async () => {
  const { registry, repository } = await uploadSetup()
  const tokens = requireTokens(registry, 1)
  const slow = async function* () {
    for (let at = 0; at < bytes.byteLength; at += STREAM_CHUNK_BYTES) {
      yield bytes.subarray(at, at + STREAM_CHUNK_BYTES)
      await new Promise((resolve) => setTimeout(resolve, 600))
    }
  }
  await repository.writeStream(Readable.from(slow(), { objectMode: false }), () => blob)
  expect(registry.blobs.has(blob.digest)).toBe(true)
  expect(registry.bytes('PATCH')).toBe(blob.size)
  expect(tokens.given.length).toBeGreaterThan(1)
  const refused = registry.seen.filter(({ headers, path }) => path !== '/token' && !headers.authorization)
  expect(refused).toHaveLength(1)
})
