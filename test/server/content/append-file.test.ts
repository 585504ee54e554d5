import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openBlobStore } from '../../../src/server/content/blob-store.ts'

const { disk, healthy } = vi.hoisted(() => {
  const healthy = {
    syncs: 0,
    failingSync: 0,
    writes: 0,
    failingWrite: 0,
    mostPerWrite: Number.POSITIVE_INFINITY,
    beforeWrite: async () => {},
  }
  return { disk: { ...healthy }, healthy }
})

type Write = (bytes: Buffer, from: number, length: number, at: number) => Promise<{ bytesWritten: number }>

// No file system that a test may mount loses a write and tells only the next sync, or writes less than it is given.
vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs/promises')>()
  const open: typeof real.open = async (...args) => {
    const handle = await real.open(...args)
    const datasync = handle.datasync.bind(handle)
    const write = handle.write.bind(handle) as Write
    handle.datasync = async () => {
      disk.syncs++
      if (disk.syncs !== disk.failingSync) return datasync()
      throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
    }
    const faulty: Write = async (bytes, from, length, at) => {
      disk.writes++
      if (disk.writes === disk.failingWrite)
        throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' })
      await disk.beforeWrite()
      return write(bytes, from, Math.min(length, disk.mostPerWrite), at)
    }
    handle.write = faulty as typeof handle.write
    return handle
  }
  return { ...real, open }
})

const MIB = 1024 * 1024

async function setup(faults: Partial<typeof healthy> = {}) {
  Object.assign(disk, healthy, faults)
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-append-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const store = await openBlobStore(dataDir)
  await store.uploads.create('u')
  return { store, dataDir, files: () => readdir(join(dataDir, 'uploads')) }
}

test.each([
  ['while bytes arrive', 1, 80],
  ['at the end', 1, 1],
  ['at the end, after one that went well', 2, 40],
])('a sync that fails %s fails the append and the upload', async (_, failingSync, mebibytes) => {
  const { store, files } = await setup({ failingSync })
  const source = Readable.from(Array.from({ length: mebibytes }, () => Buffer.alloc(MIB)))
  const append = store.uploads.use('u', (upload) => upload.append(source))
  await expect(append).rejects.toThrow('EIO')
  expect(await store.uploads.size('u')).toBeUndefined()
  expect(await files()).toEqual([])
})

test('what an append has written is synced before it resolves', async () => {
  const { store } = await setup()
  await store.uploads.use('u', (upload) => upload.append(Readable.from([Buffer.alloc(MIB)])))
  expect(disk.syncs).toBe(1)
})

test.each([
  ['at once', 1, MIB],
  ['in the middle', 3, MIB],
  ['between small chunks', 3, 1000],
])(
  'a write that fails %s fails the append and the upload, and hardly more is read',
  async (_, failingWrite, size) => {
    const { store, files } = await setup({ failingWrite })
    let given = 0
    const source = Readable.from(
      (function* () {
        for (; given < 1000 * MIB; given += size) yield Buffer.alloc(size)
      })(),
    )
    const append = store.uploads.use('u', (upload) => upload.append(source))
    await expect(append).rejects.toThrow('EIO')
    expect(given).toBeLessThan(failingWrite * 20 * MIB)
    expect(disk.writes).toBe(failingWrite)
    expect(await store.uploads.size('u')).toBeUndefined()
    expect(await files()).toEqual([])
  },
)

test.each([
  ['whole', Number.POSITIVE_INFINITY, false],
  ['in parts of 1000 bytes', 1000, false],
  ['while many others are at work', Number.POSITIVE_INFINITY, true],
])('chunks of any size arrive as they were, written %s', async (_, mostPerWrite, isCrowded) => {
  const { store, dataDir } = await setup({ mostPerWrite })
  const ids = isCrowded ? Array.from({ length: 80 }, (_, i) => `u${i}`) : ['u']
  const append = async (id: string) => {
    if (id !== 'u') await store.uploads.create(id)
    const chunks = [1, 65_536, 0, 262_144, 262_143, 3, 700_000, 17].map((size) => randomBytes(size))
    const whole = Buffer.concat(chunks)
    const digest = await store.uploads.use(id, async (upload) => {
      await upload.append(Readable.from(chunks.slice(0, 5), { objectMode: true }))
      await upload.append(Readable.from(chunks.slice(5), { objectMode: true }))
      expect(upload.size).toBe(whole.length)
      return upload.finish(undefined, async (blob) => blob.digest)
    })
    const hex = createHash('sha256').update(whole).digest('hex')
    expect(digest).toBe(`sha256:${hex}`)
    expect((await readFile(join(dataDir, 'blobs/sha256', hex.slice(0, 2), hex))).equals(whole)).toBe(true)
  }
  await Promise.all(ids.map(append))
})

test.each([
  // The first chunk is being written, four fill a buffer, one waits for room, two are in the source.
  ['two buffers', 1, 8],
  // From 32 buffers in use on: one is being written, one chunk waits, two are in the source.
  ['few buffers for each of many', 64, (16 * 8 + 48 * 4) / 64],
])('a disk that is slow stops the source: %s', async (_, uploads, mostChunks) => {
  let release = () => {}
  const stuck = new Promise<void>((resolve) => {
    release = resolve
  })
  const { store } = await setup({ beforeWrite: () => stuck })
  const chunk = 64 * 1024
  let taken = 0
  const appends = Array.from({ length: uploads }, async (_, i) => {
    let left = 40
    const source = new Readable({
      highWaterMark: chunk,
      read() {
        taken++
        setImmediate(() => this.push(left-- > 0 ? Buffer.alloc(chunk, left) : null))
      },
    })
    await store.uploads.create(`u${i}`)
    await store.uploads.use(`u${i}`, (upload) => upload.append(source))
    expect(await store.uploads.size(`u${i}`)).toBe(40 * chunk)
  })
  await vi.waitFor(() => expect(disk.writes).toBe(uploads))
  for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve))
  expect(taken).toBeGreaterThan(uploads)
  expect(taken).toBeLessThanOrEqual(uploads * mostChunks)
  release()
  await Promise.all(appends)
})

test('what came before a source broke off is written and synced', async () => {
  const { store } = await setup()
  const source = Readable.from(
    (function* () {
      yield Buffer.alloc(700_000, 1)
      yield Buffer.alloc(5, 2)
      throw new Error('cut')
    })(),
  )
  const append = store.uploads.use('u', (upload) => upload.append(source))
  await expect(append).rejects.toThrow('cut')
  expect(await store.uploads.size('u')).toBe(700_005)
  expect(disk.syncs).toBe(1)
})
