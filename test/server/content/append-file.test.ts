import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openBlobStore } from '../../../src/server/content/blob-store.ts'

const disk = vi.hoisted(() => ({ syncs: 0, failingSync: 0 }))

// No file system that a test may mount loses a write and tells only the next sync.
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>()
  const fdatasync: (fd: number, callback: (error?: Error | null) => void) => void = (fd, callback) => {
    disk.syncs++
    if (disk.syncs !== disk.failingSync) return fs.fdatasync(fd, callback)
    setImmediate(callback, Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }))
  }
  return { ...fs, fdatasync }
})

const MIB = 1024 * 1024

async function setup(failingSync: number) {
  Object.assign(disk, { syncs: 0, failingSync })
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-append-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const store = await openBlobStore(dataDir)
  await store.uploads.create('u')
  return { store, files: () => readdir(join(dataDir, 'uploads')) }
}

test.each([
  ['while bytes arrive', 1, 80],
  ['at the end', 1, 1],
  ['at the end, after one that went well', 2, 40],
])('a sync that fails %s fails the append and the upload', async (_, failingSync, mebibytes) => {
  const { store, files } = await setup(failingSync)
  const source = Readable.from(Array.from({ length: mebibytes }, () => Buffer.alloc(MIB)))
  const append = store.uploads.use('u', (upload) => upload.append(source))
  await expect(append).rejects.toThrow('EIO')
  expect(await store.uploads.size('u')).toBeUndefined()
  expect(await files()).toEqual([])
})

test('what an append has written is synced before it resolves', async () => {
  const { store } = await setup(0)
  await store.uploads.use('u', (upload) => upload.append(Readable.from([Buffer.alloc(MIB)])))
  expect(disk.syncs).toBe(1)
})
