import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { ImgctlError } from '../../src/errors/error.ts'
import { type Fault, type Seen, sha256, times } from './faulty-registry.ts'
import { faultyRegistry, openClient, rejection } from './open-client.ts'
import { requireTokens } from './tokens.ts'

const bytes = randomBytes(1024 * 1024 + 5)
const blob = { digest: sha256(bytes), size: bytes.byteLength }
const HTML: Fault = { answer: 404, headers: { 'content-type': 'text/html' }, body: '<html>hello</html>' }

async function setup(content: Buffer | undefined = bytes) {
  const registry = await faultyRegistry()
  registry.blobs.set(blob.digest, content)
  const { client, retried } = openClient({ timeouts: { idleMs: 300 } })
  return { registry, retried, repository: client.open(registry.location) }
}

const isGet = ({ method }: Seen): boolean => method === 'GET'

async function read(stream: Promise<Readable>): Promise<Buffer> {
  return Buffer.concat(await (await stream).toArray())
}

test('the size of a blob, and undefined for one that is not there', async () => {
  const { repository } = await setup()
  expect(await repository.blobSize(blob.digest)).toBe(blob.size)
  expect(await repository.blobSize(sha256(Buffer.from('other')))).toBeUndefined()
})

test('a HEAD that gets no answer once is asked again, and is not "absent"', async () => {
  const { registry, retried, repository } = await setup()
  registry.fault = times(1, () => ({ silent: true }))
  expect(await repository.blobSize(blob.digest)).toBe(blob.size)
  expect(retried).toMatchObject([
    { code: 'REGISTRY_UNREACHABLE', message: expect.stringMatching(/no answer/) },
  ])
})

test.each<[string, Fault, string]>([
  ['500', { answer: 500 }, 'REGISTRY_ERROR'],
  ['403', { answer: 403 }, 'FORBIDDEN'],
  ['429', { answer: 429 }, 'RATE_LIMITED'],
  ['400', { answer: 400 }, 'REGISTRY_ERROR'],
  ['a page that says 404', HTML, 'NOT_FOUND'],
  ['a cut connection', { loseAnswer: true }, 'REGISTRY_UNREACHABLE'],
])('%s to a HEAD is an error, never "absent"', async (_, fault, code) => {
  const { registry, repository } = await setup()
  registry.fault = () => fault
  expect(await rejection(repository.blobSize(blob.digest))).toMatchObject({ code })
})

test('a blob is read, and its end is verified', async () => {
  const { repository, registry } = await setup()
  expect((await read(repository.readBlob(blob))).equals(bytes)).toBe(true)
  expect(registry.count('GET')).toBe(1)
})

test('an empty blob', async () => {
  const { repository, registry } = await setup()
  const empty = Buffer.alloc(0)
  registry.blobs.set(sha256(empty), empty)
  expect(await read(repository.readBlob({ digest: sha256(empty), size: 0 }))).toEqual(empty)
})

test('a blob that is not there is an error of the call, not of the stream', async () => {
  const { repository } = await setup()
  const missing = repository.readBlob({ digest: sha256(Buffer.from('x')), size: 1 })
  expect(await rejection(missing)).toMatchObject({ code: 'BLOB_MISSING', status: 404 })
})

test.each<[string, Buffer]>([
  ['other bytes', randomBytes(blob.size)],
  ['fewer bytes', bytes.subarray(0, 100)],
  ['more bytes', Buffer.concat([bytes, Buffer.from('x')])],
])('%s than the digest says', async (_, content) => {
  const { repository, retried } = await setup(content)
  const error = await rejection(read(repository.readBlob(blob)))
  expect(error).toMatchObject({ code: 'DIGEST_MISMATCH' })
  expect(String(error)).toContain(blob.digest)
  expect(retried).toEqual([])
})

test('an answer that is cut is gone on with from the cut', async () => {
  const { registry, retried, repository } = await setup()
  registry.fault = times(3, (request) => (isGet(request) ? { truncate: 100_000 } : undefined))
  expect((await read(repository.readBlob(blob))).equals(bytes)).toBe(true)
  expect(registry.seen.map(({ headers }) => headers.range)).toEqual([
    undefined,
    ...[100_000, 200_000, 300_000].map((start) => `bytes=${start}-`),
  ])
  expect(retried).toHaveLength(3)
})

test('a registry that ignores Range is read again, and what is known is left out', async () => {
  const { registry, repository } = await setup()
  registry.fault = times(1, () => {
    return { truncate: 100_000 }
  })
  const headers = registry.headers
  registry.headers = (request) => {
    delete (request.headers as Record<string, unknown>)['range']
    return headers(request)
  }
  expect((await read(repository.readBlob(blob))).equals(bytes)).toBe(true)
})

test('a blob that never gains a byte is given up', async () => {
  const { registry, retried, repository } = await setup()
  registry.fault = (request) => (isGet(request) ? { truncate: request.headers.range ? 0 : 1000 } : undefined)
  const error = await rejection(read(repository.readBlob(blob)))
  expect(error).toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
  expect(retried).toHaveLength(4)
})

test('a registry that sends another part than the one asked for is not believed', async () => {
  const { registry, repository } = await setup()
  registry.fault = times(1, () => ({ truncate: 1000 }))
  registry.headers = ({ headers }) =>
    headers.range ? { 'content-range': `bytes 5-${blob.size - 1}/${blob.size}` } : {}
  expect(await rejection(read(repository.readBlob(blob)))).toMatchObject({ code: 'REGISTRY_ERROR' })
})

test('an abort ends the stream with its reason', async () => {
  const { registry, repository } = await setup()
  registry.fault = (request) => (request.headers.range ? { silent: true } : { truncate: 1000 })
  const stop = new AbortController()
  const stream = await repository.readBlob(blob, stop.signal)
  stream.once('data', () => setTimeout(() => stop.abort(new Error('enough')), 20))
  expect(await rejection(stream.toArray())).toMatchObject({ message: 'enough' })
})

test('a stream that waits for bytes is given up at once', async () => {
  const { registry, repository } = await setup()
  registry.fault = (request) => (request.headers.range ? { silent: true } : { truncate: 1000 })
  const { client } = openClient({ timeouts: { idleMs: 3_600_000 } })
  const stream = await client.open(repository.location).readBlob(blob)
  stream.resume()
  stream.on('error', () => {})
  while (registry.count('GET') < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  stream.destroy()
  await new Promise((resolve) => stream.once('close', resolve))
})

test('a stream that nobody reads is given up quietly', async () => {
  const { repository } = await setup()
  const stream = await repository.readBlob(blob)
  stream.destroy()
  await new Promise((resolve) => stream.once('close', resolve))
})

async function redirecting(hops: number) {
  const { registry, repository } = await setup()
  const storage = await faultyRegistry()
  storage.blobs.set(blob.digest, bytes)
  const tokens = requireTokens(registry)
  const guarded = registry.fault
  let left = hops
  const toStorage = `${storage.origin}/v2/x/blobs/${blob.digest}?sig=secret`
  registry.fault = (request) => {
    const fault = guarded(request)
    if (fault || request.path === '/token') return fault
    left--
    return { answer: 307, headers: { location: left > 0 ? request.path : toStorage } }
  }
  return { registry, repository, storage, tokens }
}

test('a redirect to storage is followed without the credentials', async () => {
  const { repository, registry, storage } = await redirecting(3)
  expect((await read(repository.readBlob(blob))).equals(bytes)).toBe(true)
  expect(registry.seen.at(-1)?.headers.authorization).toMatch(/^Bearer /)
  expect(storage.seen.map(({ headers }) => headers.authorization)).toEqual([undefined])
})

test('redirects come to an end', async () => {
  const { repository, registry } = await redirecting(100)
  expect(await rejection(repository.readBlob(blob))).toMatchObject({ code: 'REGISTRY_ERROR', status: 307 })
  expect(registry.count('GET', /blobs/)).toBe(7)
})

test('a storage that fails is named, and its signature is not', async () => {
  const { repository, storage } = await redirecting(1)
  storage.fault = () => ({ answer: 403, body: '<?xml version="1.0"?><Error>AccessDenied</Error>' })
  const error = await rejection(repository.readBlob(blob))
  expect(error).toMatchObject({ code: 'FORBIDDEN' })
  expect(String(error)).toContain(new URL(storage.origin).host)
  expect(String(error)).not.toContain('secret')
})

test('a storage that asks for credentials gets none', async () => {
  const { repository, storage } = await redirecting(1)
  storage.fault = () => ({ answer: 401, headers: { 'www-authenticate': 'Basic realm="give"' } })
  expect(await rejection(repository.readBlob(blob))).toMatchObject({ code: 'AUTH_REQUIRED' })
  expect(storage.seen.map(({ headers }) => headers.authorization)).toEqual([undefined])
})

test('an ImgctlError from below comes through as it is', async () => {
  const { client, retried } = openClient({ dispatcher: await refusing() })
  const repository = client.open({ host: '169.254.169.254', secure: false, repository: 'a' })
  expect(await rejection(repository.blobSize(blob.digest))).toMatchObject({ code: 'FORBIDDEN' })
  expect(retried).toEqual([])
})

async function refusing() {
  const { Agent } = await import('undici')
  return new Agent({
    connect: (_, callback) => callback(new ImgctlError('FORBIDDEN', 'not a public address'), null),
  })
}
