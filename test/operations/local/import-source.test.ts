import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { expect, onTestFinished, test } from 'vitest'
import { openImportSource } from '../../../src/operations/local/import-source.ts'

async function tar(): Promise<Buffer> {
  const made = pack()
  made.entry({ name: 'file' }, 'x'.repeat(100_000))
  made.finalize()
  return buffer(made)
}

/** In chunks of `size`, as a pipe may hand it out. */
function inChunks(bytes: Buffer, size: number): Readable {
  return Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    ),
    { objectMode: false },
  )
}

test.each([1, 100, 512, 65_536])('a tar in chunks of %i comes out as it went in', async (size) => {
  const bytes = await tar()
  expect((await buffer(await openImportSource(inChunks(bytes, size)))).equals(bytes)).toBe(true)
})

test('a file, compressed or not, and an empty tar', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-import-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'a.tar')
  for (const bytes of [await tar(), gzipSync(await tar()), Buffer.alloc(1024)]) {
    await writeFile(path, bytes)
    expect((await buffer(await openImportSource(path))).equals(bytes)).toBe(true)
  }
})

test.each<[string, Buffer]>([
  ['is empty', Buffer.alloc(0)],
  ['is no tar', Buffer.from('#!/bin/sh\n')],
  ['is no tar', Buffer.alloc(2048, 7)],
  ['is no tar', Buffer.alloc(100)],
])('what came on stdin %s', async (problem, bytes) => {
  const stream = inChunks(bytes, 300)
  await expect(openImportSource(stream)).rejects.toMatchObject({
    code: 'ARCHIVE_INVALID',
    message: `what came on stdin ${problem}`,
  })
  expect(stream.destroyed).toBe(true)
})

test('a folder, and nothing', async () => {
  await expect(openImportSource(tmpdir())).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
  await expect(openImportSource(join(tmpdir(), 'imgctl-nothing-here'))).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
  })
})

test('an error of the source comes through', async () => {
  const stream = new Readable({ read() {} })
  stream.push(await tar())
  const source = await openImportSource(stream)
  stream.destroy(new Error('the disk broke'))
  await expect(buffer(source)).rejects.toThrow('the disk broke')
})
