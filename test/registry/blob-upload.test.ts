import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { CHUNK_BYTES, MIN_CHUNK_BYTES } from '../../src/registry/blob-upload.ts'
import { STREAM_CHUNK_BYTES } from '../../src/registry/blob-writer.ts'
import { type Seen, sha256, times } from './faulty-registry.ts'
import { faultyRegistry, openClient, rejection } from './open-client.ts'
import { requireTokens } from './tokens.ts'

const MIB = 1024 * 1024
const bytes = randomBytes(20 * MIB + 7)
const blob = { digest: sha256(bytes), size: bytes.byteLength }
/** What a connection holds that was cut: sent, never seen by the registry. */
const IN_FLIGHT = 8 * MIB

const isPatch = ({ method }: Seen): boolean => method === 'PATCH'

async function setup() {
  const registry = await faultyRegistry()
  const { client, retried } = openClient()
  const opened: number[] = []
  const progress = { sum: 0 }
  const repository = client.open(registry.location)
  const write = (signal?: AbortSignal) =>
    repository.writeBlob(
      blob,
      (offset) => {
        opened.push(offset)
        return Readable.from(pieces(bytes.subarray(offset)), { objectMode: false })
      },
      {
        onBytes: (count) => {
          progress.sum += count
        },
        ...(signal ? { signal } : {}),
      },
    )
  const writeStream = (stream = Readable.from(pieces(bytes), { objectMode: false })) =>
    repository.writeStream(stream, () => blob, {
      onBytes: (count) => {
        progress.sum += count
      },
    })
  const arrived = () => registry.blobs.get(blob.digest)?.equals(bytes) ?? false
  return { registry, repository, retried, opened, progress, write, writeStream, arrived }
}

function* pieces(all: Buffer): Generator<Buffer> {
  for (let at = 0; at < all.byteLength; at += 65_536) yield all.subarray(at, at + 65_536)
}

test('an undisturbed blob is one streamed PATCH', async () => {
  const { registry, progress, write, arrived } = await setup()
  await write()
  expect(arrived()).toBe(true)
  expect(registry.seen.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'PUT'])
  expect(registry.seen[1]?.headers).toMatchObject({ 'content-length': String(blob.size) })
  expect(registry.seen[1]?.headers).not.toHaveProperty('content-range')
  expect(registry.seen[2]?.query.get('state')).toBe('a b')
  expect(progress.sum).toBe(blob.size)
})

test('an empty blob has no PATCH', async () => {
  const { registry, repository } = await setup()
  const empty = { digest: sha256(Buffer.alloc(0)), size: 0 }
  await repository.writeBlob(empty, () => Readable.from([]))
  await repository.writeStream(Readable.from([]), () => empty)
  expect(registry.count('PATCH')).toBe(0)
  expect(registry.blobs.get(empty.digest)?.byteLength).toBe(0)
})

test('a connection that is cut at 60 % goes on where the registry is', async () => {
  const { registry, retried, opened, progress, write, arrived } = await setup()
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
  const { registry, progress, write, arrived } = await setup()
  registry.fault = times(6, (request) => (isPatch(request) ? { cutAfter: 3 * MIB } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect(registry.bytes('PATCH')).toBe(blob.size)
  expect(progress.sum).toBe(blob.size)
})

test('a line that never gains anything is given up, and the session cancelled', async () => {
  const { registry, retried, write, arrived } = await setup()
  registry.fault = (request) => (isPatch(request) ? { cutAfter: 0 } : undefined)
  expect(await rejection(write())).toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
  expect(registry.count('PATCH')).toBe(5)
  expect(retried).toHaveLength(4)
  expect(arrived()).toBe(false)
  expect(registry.sessions.size).toBe(0)
})

test.each([408, 425, 429, 500, 502, 503, 504])('%i three times, then the upload goes on', async (status) => {
  const { registry, retried, write, arrived } = await setup()
  registry.fault = times(3, (request) => (isPatch(request) ? { answer: status } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect(retried.map((error) => error.status)).toEqual([status, status, status])
})

test.each([
  [403, 'DENIED', 'FORBIDDEN'],
  [400, 'NAME_INVALID', 'NAME_INVALID'],
  [507, 'UNKNOWN', 'DISK_FULL'],
  [501, 'UNSUPPORTED', 'UNSUPPORTED'],
])('%i is final: shown at once with what the registry says', async (status, code, expected) => {
  const { registry, retried, write } = await setup()
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
  const { registry, write, arrived } = await setup()
  registry.fault = times(1, (request) => (isPatch(request) ? { loseAnswer: true } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect(registry.bytes('PATCH')).toBe(blob.size)
})

test('a lost answer to the commit is found out by looking', async () => {
  const { registry, write, arrived } = await setup()
  registry.fault = times(1, ({ method }) => (method === 'PUT' ? { loseAnswer: true } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect([registry.count('PUT'), registry.count('PATCH')]).toEqual([1, 1])
})

test('a commit that fails is tried again without sending the blob again', async () => {
  const { registry, write, arrived } = await setup()
  registry.fault = times(2, ({ method }) => (method === 'PUT' ? { answer: 503 } : undefined))
  await write()
  expect(arrived()).toBe(true)
  expect([registry.count('PUT'), registry.bytes('PATCH')]).toEqual([3, blob.size])
})

test('a session that the registry has forgotten is begun anew', async () => {
  const { registry, progress, opened, write, arrived } = await setup()
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

test('a proxy with a limit of 1 MiB: chunks are halved down to it, once for the repository', async () => {
  const { registry, retried, repository, write, arrived } = await setup()
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
    Readable.from(pieces(second.subarray(offset)), { objectMode: false }),
  )
  expect(registry.seen.filter(isPatch).slice(-3)).toHaveLength(3)
  expect(registry.seen.slice(-4).map((each) => each.bytes)).toEqual([MIB, MIB, MIB, 0])
})

test('a proxy that cuts the connection instead of answering 413 is got through, too', async () => {
  const { registry, write, arrived } = await setup()
  registry.fault = (request) =>
    Number(request.headers['content-length'] ?? 0) > MIB ? { cutAfter: 0 } : undefined
  await write()
  expect(arrived()).toBe(true)
})

test('a proxy that refuses even 1 MiB is named', async () => {
  const { registry, write } = await setup()
  registry.fault = (request) =>
    isPatch(request) ? { answer: 413, headers: { server: 'ng\x9b31minx', connection: 'close' } } : undefined
  const error = await rejection(write())
  expect(error).toMatchObject({ code: 'TOO_LARGE', status: 413 })
  expect(String(error)).toMatch(/ng.*inx.*1048576 bytes/)
  expect(String(error)).not.toContain('\x9b')
  expect(registry.sessions.size).toBe(0)
})

test('chunks are as large as the registry wants them at least', async () => {
  const { registry, writeStream, arrived } = await setup()
  const wanted = STREAM_CHUNK_BYTES + 3 * MIB
  registry.headers = ({ method }) => (method === 'POST' ? { 'oci-chunk-min-length': String(wanted) } : {})
  await writeStream()
  expect(arrived()).toBe(true)
  expect(registry.seen.filter(isPatch).map((each) => each.bytes)).toEqual([wanted, blob.size - wanted])
})

test.each([
  ['relative', (path: string) => path],
  ['relative to the request', (path: string) => path.split('/').at(-1) ?? ''],
])('a Location that is %s', async (_, rewrite) => {
  const { registry, write, arrived } = await setup()
  let location = ''
  registry.headers = ({ method, path }) => {
    if (method === 'POST') location = `${path}${[...registry.sessions.keys()].at(-1)}?state=x`
    return location ? { location: rewrite(location) } : {}
  }
  await write()
  expect(arrived()).toBe(true)
})

test('a registry without a Location is told so', async () => {
  const { registry, write } = await setup()
  registry.headers = ({ method }) => (method === 'POST' ? { location: undefined } : {})
  expect(await rejection(write())).toMatchObject({ code: 'REGISTRY_ERROR' })
})

test('an upload that goes on at another origin gets no credentials', async () => {
  const { registry, repository } = await setup()
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
  const { registry, opened, progress, write, arrived } = await setup()
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
  const { registry, repository } = await setup()
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

test('other bytes than the digest says are refused', async () => {
  const { registry, repository } = await setup()
  const wrong = { digest: sha256(Buffer.from('right')), size: 5 }
  const error = await rejection(repository.writeBlob(wrong, () => Readable.from([Buffer.from('wrong')])))
  expect(error).toMatchObject({ code: 'DIGEST_MISMATCH' })
  expect(registry.blobs.size).toBe(0)
})

test('a source that is shorter than it said ends the upload, with nothing left', async () => {
  const { registry, repository } = await setup()
  const short = repository.writeBlob({ digest: blob.digest, size: 100 }, () =>
    Readable.from([Buffer.alloc(60)]),
  )
  expect(await rejection(short)).toMatchObject({ code: 'DIGEST_MISMATCH' })
  expect([registry.blobs.size, registry.sessions.size, registry.count('PUT')]).toEqual([0, 0, 0])
})

test('what reading the source throws comes out as it is, without a retry', async () => {
  const { registry, retried, repository } = await setup()
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
  const { registry, repository } = await setup()
  const stop = new AbortController()
  const stream = new Readable({ read: () => void setImmediate(() => stop.abort(new Error('enough'))) })
  const writing = repository.writeStream(stream, () => blob, { signal: stop.signal })
  expect(await rejection(writing)).toMatchObject({ message: 'enough' })
  expect(stream.destroyed).toBe(true)
  expect(registry.sessions.size).toBe(0)
})

test('an abort stops the upload with its reason and cancels the session', async () => {
  const { registry, write } = await setup()
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
  const { registry, progress, writeStream, arrived } = await setup()
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
  const { registry, writeStream, progress, arrived } = await setup()
  registry.fault = times(1, (request) =>
    isPatch(request) && registry.count('PATCH') === 2 ? { cutAfter: 3 * MIB } : undefined,
  )
  await writeStream()
  expect(arrived()).toBe(true)
  expect(registry.bytes('PATCH')).toBe(blob.size)
  expect(progress.sum).toBe(blob.size)
})

test('a stream whose session is lost cannot be begun anew, and says that another try may help', async () => {
  const { registry, writeStream } = await setup()
  registry.fault = times(1, (request) => {
    if (!isPatch(request) || registry.count('PATCH') < 2) return undefined
    registry.sessions.clear()
    return { cutAfter: MIB }
  })
  expect(await rejection(writeStream())).toMatchObject({ code: 'REGISTRY_ERROR', retryable: true })
  expect(registry.count('POST')).toBe(1)
})

test('a stream that fails is the error, and the session is cancelled', async () => {
  const { registry, writeStream } = await setup()
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
  const { registry, writeStream } = await setup()
  const error = await rejection(writeStream(Readable.from([bytes.subarray(0, 100)])))
  expect(error).toMatchObject({ code: 'DIGEST_MISMATCH' })
  expect([registry.count('PUT'), registry.sessions.size]).toEqual([0, 0])
})

test('a mount links the blob; a mount that is not done leaves no session', async () => {
  const { registry, repository } = await setup()
  const tokens = requireTokens(registry)
  registry.blobs.set(blob.digest, bytes)
  expect(await repository.mountBlob(blob.digest, 'team/base')).toBe(true)
  expect(tokens.given).toEqual(['repository:team/app:pull,push repository:team/base:pull'])
  expect(await repository.mountBlob(sha256(Buffer.from('x')), 'team/base')).toBe(false)
  expect(registry.sessions.size).toBe(0)
})

test.each([400, 403, 404, 405])('a mount that is answered with %i means upload it', async (status) => {
  const { registry, repository } = await setup()
  registry.fault = () => ({ answer: status })
  expect(await repository.mountBlob(blob.digest, 'team/base')).toBe(false)
})

test('the chunk sizes are in order', () => {
  expect(MIN_CHUNK_BYTES).toBeLessThan(STREAM_CHUNK_BYTES)
  expect(STREAM_CHUNK_BYTES).toBeLessThanOrEqual(CHUNK_BYTES)
})
