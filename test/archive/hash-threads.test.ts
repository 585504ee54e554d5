import { createHash, randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { open, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HashThreads } from '../../src/archive/hash-threads.ts'
import { openArchive } from '../../src/archive/open-archive.ts'
import { largeImageArchive } from '../services/large-archive.ts'
import { temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()
let threads: HashThreads
beforeEach(() => {
  threads = new HashThreads()
})
const descriptors: number[] = []
afterEach(async () => {
  for (const fd of descriptors.splice(0)) closeSync(fd)
  await threads.close()
})

const content = randomBytes(20_000_001)
const file = async (name: string) => {
  const path = join(folder.root, name)
  await writeFile(path, content)
  const fd = openSync(path, 'r')
  descriptors.push(fd)
  return { path, fd }
}

test('spans are hashed side by side, and every byte is told of', async () => {
  const { fd } = await file('spans')
  const spans = [
    [0, content.length],
    [1, 17_000_000],
    [5, 5],
    [19_999_999, 20_000_001],
    [300_000, 900_000],
  ] as const
  let bytes = 0
  const digests = await Promise.all(
    spans.map(([start, end]) =>
      threads.digest({ fd, start, end }, 'sha256', (count) => {
        bytes += count
      }),
    ),
  )
  expect(digests).toEqual(
    spans.map(([start, end]) => {
      return `sha256:${createHash('sha256').update(content.subarray(start, end)).digest('hex')}`
    }),
  )
  expect(bytes).toBe(spans.reduce((sum, [start, end]) => sum + end - start, 0))
})

test('a thread is used again, also for sha512', async () => {
  const { fd } = await file('again')
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const expected = createHash(algorithm).update(content).digest('hex')
    const span = { fd, start: 0, end: content.length }
    expect(await threads.digest(span, algorithm, () => {})).toBe(`${algorithm}:${expected}`)
  }
})

test('a file that became shorter is told, and one that cannot be read', async () => {
  const { path, fd } = await file('shorter')
  await truncate(path, 1_000_000)
  const short = threads.digest({ fd, start: 0, end: content.length }, 'sha256', () => {})
  await expect(short).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' })
  const handle = await open(folder.root, 'r')
  const unreadable = threads.digest({ fd: handle.fd, start: 0, end: 10 }, 'sha256', () => {})
  await expect(unreadable).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
  await handle.close()
})

test('an abort ends it at once', async () => {
  const { fd } = await file('aborted')
  const controller = new AbortController()
  const span = { fd, start: 0, end: content.length }
  const hashing = threads.digest(span, 'sha256', () => controller.abort(new Error('stop')), controller.signal)
  await expect(hashing).rejects.toThrow('stop')
})

test('large layers are verified in threads: a changed byte is found, and named', async () => {
  const path = join(folder.root, 'large.tar')
  await largeImageArchive(path, 120_000_000, { layers: 3 })
  const verify = async () => {
    const archive = await openArchive(path)
    const seen: number[] = []
    try {
      await archive.verify({ onProgress: (done, total) => seen.push(done / total) })
      return seen
    } finally {
      await archive.close()
    }
  }
  expect((await verify()).at(-1)).toBe(1)
  const handle = await open(path, 'r+')
  await handle.write(Buffer.from('x'), 0, 1, 50_000_000)
  await handle.close()
  await expect(verify()).rejects.toMatchObject({
    code: 'DIGEST_MISMATCH',
    message: expect.stringContaining('1/layer.tar'),
  })
})
