import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { SavedUpload, UploadRecord } from '../../src/ports/upload-journal.ts'
import { sha256 } from './faulty-registry.ts'
import { faultyRegistry, openClient, rejection } from './open-client.ts'
import { blob, bytes, isPatch, MIB, streamOf } from './upload-setup.ts'

/** What a run knows of an upload; the next run is given the same. */
class Note implements UploadRecord {
  saved: SavedUpload | undefined
  take = async () => {
    const { saved } = this
    this.saved = undefined
    return saved
  }
  save = async (upload: SavedUpload) => {
    this.saved = upload
  }
  clear = async () => {
    this.saved = undefined
  }
}

async function setup() {
  const registry = await faultyRegistry()
  const note = new Note()
  /** A run of the program: it ends after so many PATCH requests have begun, as with kill -9. */
  const run = async (how: 'blob' | 'stream', content = bytes, killAt = Number.POSITIVE_INFINITY) => {
    const stop = new AbortController()
    let patches = 0
    registry.fault = (request) => {
      if (!isPatch(request) || ++patches < killAt) return undefined
      return { cutAfter: 3 * MIB }
    }
    const { client } = openClient({
      ...(killAt === Number.POSITIVE_INFINITY ? {} : { retry: { attempts: 1 } }),
    })
    const repository = client.open(registry.location)
    const options = { record: note, signal: stop.signal }
    const made = { digest: sha256(content), size: content.byteLength }
    const opened: number[] = []
    const open = (offset: number) => {
      opened.push(offset)
      return streamOf(content.subarray(offset))
    }
    const before = registry.bytes('PATCH')
    const writing =
      how === 'blob'
        ? repository.writeBlob(made, open, options)
        : repository.writeStream(streamOf(content), () => made, options)
    const failed = await writing.then(
      () => undefined,
      (error: unknown) => error,
    )
    return { failed, opened, sent: registry.bytes('PATCH') - before }
  }
  return { registry, note, run }
}

test.each(['blob', 'stream'] as const)(
  'a %s that an earlier run left is gone on with: nothing is sent twice',
  async (how) => {
    const { registry, note, run } = await setup()
    const first = await run(how, bytes, how === 'blob' ? 1 : 2)
    expect(first.failed).toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
    expect(note.saved?.url).toContain('/blobs/uploads/')
    const second = await run(how)
    expect(second.failed).toBeUndefined()
    expect(first.sent).toBeGreaterThan(0)
    expect(first.sent + second.sent).toBe(blob.size)
    expect(registry.blobs.get(blob.digest)?.equals(bytes)).toBe(true)
    expect([note.saved, registry.count('POST')]).toEqual([undefined, 1])
  },
)

test('a stream that turns out to be another one begins anew, and the blob is right', async () => {
  const { registry, run } = await setup()
  await run('stream', bytes, 2)
  const other = Buffer.concat([Buffer.from('other'), bytes.subarray(5)])
  const second = await run('stream', other)
  expect(second.failed).toBeUndefined()
  expect(second.sent).toBe(other.byteLength)
  expect(registry.blobs.get(sha256(other))?.equals(other)).toBe(true)
  expect(registry.sessions.size).toBe(0)
})

test('bytes that differ only after what was noted are found by the digest: a new stream is asked for', async () => {
  const { registry, note, run } = await setup()
  await run('stream', bytes, 2)
  // The note of the first chunk alone: what came after it is not vouched for.
  note.saved = { ...note.saved!, checkpoints: note.saved!.checkpoints.slice(0, 1) }
  const other = Buffer.from(bytes)
  other[9 * MIB] = (other[9 * MIB]! + 1) % 256
  const second = await run('stream', other)
  expect(second.failed).toMatchObject({ code: 'UPLOAD_LOST' })
  expect([note.saved, registry.sessions.size]).toEqual([undefined, 0])
  expect((await run('stream', other)).failed).toBeUndefined()
  expect(registry.blobs.get(sha256(other))?.equals(other)).toBe(true)
})

test('a blob whose session holds other bytes is sent again, once', async () => {
  const { registry, note, run } = await setup()
  await run('blob', bytes, 1)
  const [session] = registry.sessions.values()
  session![0] = Buffer.alloc(session![0]!.byteLength)
  const second = await run('blob')
  expect(second.failed).toBeUndefined()
  expect(registry.blobs.get(blob.digest)?.equals(bytes)).toBe(true)
  expect(registry.count('PUT')).toBe(2)
  expect(note.saved).toBeUndefined()
})

test('a session that the registry does not know any more: the blob begins anew', async () => {
  const { registry, run } = await setup()
  await run('blob', bytes, 1)
  registry.sessions.clear()
  const second = await run('blob')
  expect([second.failed, second.sent, second.opened]).toEqual([undefined, blob.size, [0]])
})

test('a note that leads to another origin is not followed: nothing is sent there', async () => {
  const { registry, note, run } = await setup()
  const other = await faultyRegistry()
  other.sessions.set('trap', [bytes.subarray(0, MIB)])
  note.saved = {
    url: `${other.origin}/v2/team/app/blobs/uploads/trap`,
    minChunk: 0,
    checkpoints: [{ offset: MIB, sha256: createHash('sha256').update(bytes.subarray(0, MIB)).digest('hex') }],
  }
  expect((await run('stream')).failed).toBeUndefined()
  expect(other.seen).toEqual([])
  expect(registry.blobs.has(blob.digest)).toBe(true)
})

test('a small blob is not worth a note', async () => {
  const { note, run } = await setup()
  await run('stream', bytes.subarray(0, MIB), 1)
  expect(note.saved).toBeUndefined()
})

test.each([403, 400])(
  'what is refused with %i is shown at once, and leaves no note and no session',
  async (status) => {
    const registry = await faultyRegistry()
    const note = new Note()
    const { client, retried } = openClient()
    registry.fault = (request) =>
      isPatch(request) && registry.count('PATCH') === 2 ? { answer: status } : undefined
    const writing = client.open(registry.location).writeStream(streamOf(bytes), () => blob, { record: note })
    expect(await rejection(writing)).toMatchObject({ status })
    expect([note.saved, registry.sessions.size, retried]).toEqual([undefined, 0, []])
  },
)

test('an interrupt keeps the session for the next run', async () => {
  const registry = await faultyRegistry()
  const note = new Note()
  const stop = new AbortController()
  const { client } = openClient()
  registry.fault = (request) => {
    if (!isPatch(request) || registry.count('PATCH') < 2) return undefined
    setImmediate(() => stop.abort(new Error('enough')))
    return { silent: true }
  }
  const writing = client
    .open(registry.location)
    .writeStream(streamOf(bytes), () => blob, { record: note, signal: stop.signal })
  expect(await rejection(writing)).toMatchObject({ message: 'enough' })
  expect([registry.sessions.size, registry.count('DELETE')]).toEqual([1, 0])
  expect(note.saved?.checkpoints.map(({ offset }) => offset)).toEqual([8 * MIB, 16 * MIB])
})

test('a session that is answered 404 is begun anew once, and then the answer is the error', async () => {
  const registry = await faultyRegistry()
  const { client } = openClient()
  const write = () =>
    client.open(registry.location).writeBlob(blob, (offset) => Readable.from([bytes.subarray(offset)]))
  const lost = { answer: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}' }
  registry.fault = (request) => (isPatch(request) && registry.count('PATCH') === 1 ? lost : undefined)
  await write()
  expect([registry.count('POST'), registry.count('PATCH')]).toEqual([
    2,
    2 + Math.ceil(blob.size / (16 * MIB)) - 1,
  ])
  registry.seen.length = 0
  registry.fault = (request) => (isPatch(request) ? lost : undefined)
  expect(await rejection(write())).toMatchObject({ status: 404 })
  expect([registry.count('POST'), registry.count('PATCH')]).toEqual([2, 2])
})
