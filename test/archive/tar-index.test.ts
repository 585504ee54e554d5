import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { openArchive } from '../../src/archive/open-archive.ts'
import { openTarFiles } from '../../src/archive/tar-files.ts'
import { MAX_ENTRIES } from '../../src/archive/tar-index.ts'
import { BLOCK, classicEntries, END_OF_TAR, entry, header, layerTar, tar } from './build-archive.ts'
import { temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()
const GIB = 1024 ** 3

/** A file of `layers` entries of 1 GiB each, all hole, then a small one. */
async function sparseFile(layers: number): Promise<{ handle: FileHandle; size: number }> {
  const handle = await open(join(folder.root, `sparse-${layers}`), 'w+')
  let position = 0
  for (let i = 0; i < layers; i++) {
    await handle.write(header({ name: `${i}/layer.tar`, size: GIB }), 0, BLOCK, position)
    position += BLOCK + GIB
  }
  const last = Buffer.concat([entry({ name: 'manifest.json', body: '[]' }), END_OF_TAR])
  await handle.write(last, 0, last.length, position)
  return { handle, size: position + last.length }
}

/** Bytes that were asked for through `handle`, and in how many calls. */
function countReads(handle: FileHandle): () => { calls: number; bytes: number } {
  const read = vi.spyOn(handle, 'read')
  return () => ({
    calls: read.mock.calls.length,
    bytes: read.mock.calls.reduce((sum, call) => sum + Number((call as unknown[])[2]), 0),
  })
}

test('steps over the bodies of a 20 GiB archive', async () => {
  const { handle, size } = await sparseFile(20)
  const reads = countReads(handle)
  const files = await openTarFiles(handle, size)
  try {
    for (let i = 0; i < 20; i++) expect(await files.find(`${i}/layer.tar`)).toMatchObject({ size: GIB })
    expect(reads().bytes).toBeLessThan(200_000)
    const last = await files.find('manifest.json')
    expect(Buffer.from(await files.document(last!, 100)).toString()).toBe('[]')
  } finally {
    await files.close()
  }
})

test('reads headers that stand side by side at once', async () => {
  const path = await folder.file(tar(Array.from({ length: 800 }, (_, i) => ({ name: `f${i}` }))))
  const handle = await open(path)
  const reads = countReads(handle)
  const files = await openTarFiles(handle, (await handle.stat()).size)
  expect(await files.find('f799')).toMatchObject({ size: 0 })
  await files.close()
  expect(reads().calls).toBeLessThan(150)
})

test('takes a size beyond 8 GiB, which octal cannot say', async () => {
  const handle = await open(join(folder.root, 'large'), 'w+')
  const size = 12 * GIB
  await handle.write(header({ name: 'layer', size, base256: true }), 0, BLOCK, 0)
  await handle.truncate(BLOCK + size + 2 * BLOCK)
  const files = await openTarFiles(handle, BLOCK + size + 2 * BLOCK)
  expect(await files.find('layer')).toMatchObject({ size, offset: BLOCK })
  await files.close()
})

test('refuses more entries than any archive needs', async () => {
  const one = header({ name: 'f', type: '5' })
  const path = await folder.file(Buffer.concat([Buffer.alloc(BLOCK * (MAX_ENTRIES + 1), one), END_OF_TAR]))
  await expect(openArchive(path)).rejects.toMatchObject({
    code: 'ARCHIVE_INVALID',
    message: expect.stringMatching(/more than 100000 entries/),
  })
})

test('a file that becomes shorter while a layer is read is told from a good one', async () => {
  const layer = await layerTar('a', Buffer.alloc(2_000_000, 'a'))
  const path = await folder.file(tar(classicEntries([{ tags: ['a:1'], layers: [layer] }])))
  const archive = await openArchive(path)
  try {
    const stream = await archive.images[0]!.layers[0]!.open()
    const handle = await open(path, 'r+')
    await handle.truncate(300_000)
    await handle.close()
    await expect(stream.toArray()).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' })
  } finally {
    await archive.close()
  }
})
