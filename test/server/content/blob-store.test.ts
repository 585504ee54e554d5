import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { ErrorCode } from '../../../src/errors/codes.ts'
import { ImgctlError } from '../../../src/errors/error.ts'
import { type BlobStore, openBlobStore } from '../../../src/server/content/blob-store.ts'
import { sha256, sha512 } from '../registry-context.ts'

const STALLED_MS = 30
const BYTES = Buffer.from('0123456789')
const DIGEST = sha256(BYTES)

async function setup(): Promise<{ store: BlobStore; dataDir: string; reopen: () => Promise<BlobStore> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-blobs-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const reopen = () => openBlobStore(dataDir, { stalledMs: STALLED_MS })
  return { store: await reopen(), dataDir, reopen }
}

const keep = async <T>(blob: T): Promise<T> => blob

async function codeOf(action: Promise<unknown>): Promise<ErrorCode> {
  const error = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ImgctlError)
  return (error as ImgctlError).code
}

/** Every file that the store has, below the data folder. */
async function files(dataDir: string): Promise<string[]> {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name)
}

async function uploaded(store: BlobStore, ...chunks: (Buffer | string)[]): Promise<void> {
  await store.uploads.create('u')
  for (const chunk of chunks) {
    await store.uploads.use('u', (upload) => upload.append(Readable.from([Buffer.from(chunk)])))
  }
}

test('a blob is written once and read whole or in part', async () => {
  const { store, dataDir } = await setup()
  const blob = await store.writeBlob(Readable.from([BYTES]), {}, keep)
  expect(blob).toEqual({ digest: DIGEST, size: 10 })
  expect(await store.size(DIGEST)).toBe(10)
  expect(await buffer(await store.read(DIGEST))).toEqual(BYTES)
  expect(await buffer(await store.read(DIGEST, { start: 3, end: 5 }))).toEqual(Buffer.from('345'))
  expect(await files(dataDir)).toEqual([DIGEST.slice(7)])
})

test('an empty blob', async () => {
  const { store } = await setup()
  expect(await store.writeBlob(Readable.from([]), {}, keep)).toEqual({ digest: sha256(''), size: 0 })
  expect(await buffer(await store.read(sha256('')))).toEqual(Buffer.alloc(0))
})

test('a blob larger than every buffer on the way, from a source that does not wait', async () => {
  const { store } = await setup()
  const chunks = Array.from({ length: 400 }, (_, i) => Buffer.alloc(65_536 - (i % 7), i))
  const all = Buffer.concat(chunks)
  const blob = await store.writeBlob(Readable.from(chunks), { expectedDigest: sha256(all) }, keep)
  expect(blob.size).toBe(all.length)
  expect(sha256(await buffer(await store.read(blob.digest)))).toBe(blob.digest)
})

test('what is not there is BLOB_MISSING', async () => {
  const { store } = await setup()
  expect(await store.size(DIGEST)).toBeUndefined()
  expect(await codeOf(store.read(DIGEST))).toBe('BLOB_MISSING')
})

test.each<[string, ErrorCode, () => Readable, object]>([
  [
    'other bytes than expected',
    'DIGEST_MISMATCH',
    () => Readable.from([BYTES]),
    { expectedDigest: sha256('x') },
  ],
  ['more bytes than allowed', 'TOO_LARGE', () => Readable.from([BYTES, BYTES]), { maxBytes: 19 }],
  ['a source that fails', 'REGISTRY_ERROR', () => Readable.from(failing()), {}],
])('%s leave nothing behind', async (_, code, source, rules) => {
  const { store, dataDir } = await setup()
  expect(await codeOf(store.writeBlob(source(), rules, keep))).toBe(code)
  expect(await files(dataDir)).toEqual([])
})

async function* failing() {
  yield BYTES
  throw new ImgctlError('REGISTRY_ERROR', 'the upstream is gone')
}

test('exactly as many bytes as allowed', async () => {
  const { store } = await setup()
  const blob = await store.writeBlob(Readable.from([BYTES]), { maxBytes: 10, expectedDigest: DIGEST }, keep)
  expect(blob.size).toBe(10)
})

test('a full disk is DISK_FULL and ends the upload', async () => {
  const { store, dataDir } = await setup()
  await store.uploads.create('u')
  // Linux answers ENOSPC to every write there.
  await rm(join(dataDir, 'uploads/u'))
  await symlink('/dev/full', join(dataDir, 'uploads/u'))
  const append = store.uploads.use('u', (upload) => upload.append(Readable.from([BYTES])))
  expect(await codeOf(append)).toBe('DISK_FULL')
  expect(await files(dataDir)).toEqual([])
  expect(await store.uploads.size('u')).toBeUndefined()
})

test('an upload in parts, finished after a restart, and with another algorithm than it began with', async () => {
  for (const digest of [DIGEST, sha512(BYTES)]) {
    const { store, reopen } = await setup()
    await uploaded(store, '01234', '567')
    const later = await reopen()
    expect(await later.uploads.size('u')).toBe(8)
    await later.uploads.use('u', (upload) => upload.append(Readable.from([Buffer.from('89')])))
    const blob = await later.uploads.use('u', (upload) => upload.finish(digest, keep))
    expect(blob).toEqual({ digest, size: 10 })
    expect(await buffer(await later.read(digest))).toEqual(BYTES)
    expect(await later.uploads.size('u')).toBeUndefined()
  }
})

test('a source that breaks off leaves what came, and the upload goes on there', async () => {
  const { store } = await setup()
  await store.uploads.create('u')
  const source = new PassThrough()
  source.write(BYTES.subarray(0, 6))
  const append = store.uploads.use('u', (upload) => upload.append(source))
  await sleep(20)
  source.destroy(new Error('connection reset'))
  await expect(append).rejects.toThrow('connection reset')
  expect(await store.uploads.size('u')).toBe(6)
  await store.uploads.use('u', (upload) => upload.append(Readable.from([BYTES.subarray(6)])))
  expect((await store.uploads.use('u', (upload) => upload.finish(DIGEST, keep))).size).toBe(10)
})

test('a source that was closed before it is read fails instead of waiting for ever', async () => {
  const { store } = await setup()
  await store.uploads.create('u')
  const source = new PassThrough()
  source.destroy()
  expect(await codeOf(store.uploads.use('u', (upload) => upload.append(source)))).toBe('BAD_REQUEST')
})

test('a wrong digest ends the upload', async () => {
  const { store, dataDir } = await setup()
  await uploaded(store, BYTES)
  const finish = store.uploads.use('u', (upload) => upload.finish(sha256('x'), keep))
  expect(await codeOf(finish)).toBe('DIGEST_MISMATCH')
  expect(await files(dataDir)).toEqual([])
  expect(await codeOf(store.uploads.use('u', keep))).toBe('NOT_FOUND')
})

test('a second user is refused while bytes arrive, and takes over from one that has stalled', async () => {
  const { store } = await setup()
  await store.uploads.create('u')
  const stalled = new PassThrough()
  stalled.write(BYTES.subarray(0, 4))
  const first = codeOf(store.uploads.use('u', (upload) => upload.append(stalled)))
  const append = () =>
    store.uploads.use('u', async (upload) => {
      expect(upload.size).toBe(4)
      await upload.append(Readable.from([BYTES.subarray(4)]))
    })
  expect(await codeOf(append())).toBe('CONFLICT')
  await sleep(STALLED_MS + 20)
  await append()
  expect(await first).toBe('CONFLICT')
  expect((await store.uploads.use('u', (upload) => upload.finish(DIGEST, keep))).size).toBe(10)
})

test('of two that wait for a stalled sender one gets the upload, and nothing changes the blob afterwards', async () => {
  const { store } = await setup()
  await store.uploads.create('u')
  const stalled = new PassThrough()
  stalled.write(BYTES.subarray(0, 4))
  const first = codeOf(store.uploads.use('u', (upload) => upload.append(stalled)))
  await sleep(STALLED_MS + 20)
  const late = new PassThrough()
  const winner = store.uploads.use('u', async (upload) => {
    await upload.append(Readable.from([BYTES.subarray(4)]))
    return upload.finish(DIGEST, keep)
  })
  const loser = codeOf(store.uploads.use('u', (upload) => upload.append(late)))
  expect((await winner).digest).toBe(DIGEST)
  late.end('overwritten')
  expect(await first).toBe('CONFLICT')
  // It waited until the winner had made a blob of it, or gave up waiting.
  expect(['CONFLICT', 'NOT_FOUND']).toContain(await loser)
  expect(await buffer(await store.read(DIGEST))).toEqual(BYTES)
})

test('what is appended while an upload finishes does not reach the blob', async () => {
  const { store } = await setup()
  await uploaded(store, BYTES)
  await store.uploads.use('u', async (upload) => {
    const finish = upload.finish(DIGEST, keep)
    expect(await codeOf(upload.append(Readable.from([BYTES])))).toBe('NOT_FOUND')
    expect(await finish).toEqual({ digest: DIGEST, size: 10 })
  })
  expect(await buffer(await store.read(DIGEST))).toEqual(BYTES)
})

test('two appends at once go one after the other', async () => {
  const { store } = await setup()
  await store.uploads.create('u')
  await store.uploads.use('u', (upload) =>
    Promise.all([
      upload.append(Readable.from([BYTES.subarray(0, 6)])),
      upload.append(Readable.from([BYTES.subarray(6)])),
    ]),
  )
  expect((await store.uploads.use('u', (upload) => upload.finish(DIGEST, keep))).size).toBe(10)
})

test('removing an upload breaks off what is being appended', async () => {
  const { store, dataDir } = await setup()
  await store.uploads.create('u')
  const source = new PassThrough()
  source.write(BYTES)
  const append = codeOf(store.uploads.use('u', (upload) => upload.append(source)))
  await sleep(20)
  await store.uploads.remove('u')
  expect(await append).toBe('CONFLICT')
  expect(await files(dataDir)).toEqual([])
})

test('a blob cannot be removed between its file and what keeps it', async () => {
  const { store } = await setup()
  let kept = false
  let removal: Promise<boolean> | undefined
  await store.writeBlob(Readable.from([BYTES]), {}, async () => {
    removal = store.removeBlob(DIGEST, async () => !kept)
    await sleep(20)
    kept = true
  })
  expect(await removal).toBe(false)
  expect(await store.size(DIGEST)).toBe(10)
  expect(await store.removeBlob(DIGEST, async () => true)).toBe(true)
  expect(await store.size(DIGEST)).toBeUndefined()
})

test('the same blob from many writers at once', async () => {
  const { store, dataDir } = await setup()
  const writers = Array.from({ length: 20 }, () => store.writeBlob(Readable.from([BYTES]), {}, keep))
  expect((await Promise.all(writers)).every(({ digest }) => digest === DIGEST)).toBe(true)
  expect(await files(dataDir)).toEqual([DIGEST.slice(7)])
})

test('every blob that has a file is listed', async () => {
  const { store } = await setup()
  await store.writeBlob(Readable.from([BYTES]), {}, keep)
  await store.writeBlob(Readable.from([BYTES]), { expectedDigest: sha512(BYTES) }, keep)
  const found: string[] = []
  for await (const digest of store.digests()) found.push(digest)
  expect(found.sort()).toEqual([DIGEST, sha512(BYTES)])
})
