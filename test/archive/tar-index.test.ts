import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { openArchive } from '../../src/archive/open-archive.ts'
import { indexTar, MAX_ENTRIES } from '../../src/archive/tar-index.ts'
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

test('steps over the bodies of a 20 GiB archive', async () => {
  const { handle, size } = await sparseFile(20)
  const read = vi.spyOn(handle, 'read')
  try {
    const entries = await indexTar(handle, size)
    expect(entries.size).toBe(21)
    expect(entries.get('19/layer.tar')).toEqual({
      type: 'file',
      size: GIB,
      offset: 19 * (GIB + BLOCK) + BLOCK,
    })
    const asked = read.mock.calls.reduce((sum, call) => sum + Number((call as unknown[])[2]), 0)
    expect(asked).toBeLessThan(200_000)
  } finally {
    await handle.close()
  }
})

test('reads headers that stand side by side at once', async () => {
  const path = await folder.file(tar(Array.from({ length: 800 }, (_, i) => ({ name: `f${i}` }))))
  const handle = await open(path)
  const read = vi.spyOn(handle, 'read')
  try {
    const { size } = await handle.stat()
    expect((await indexTar(handle, size)).size).toBe(800)
    expect(read.mock.calls.length).toBeLessThan(150)
  } finally {
    await handle.close()
  }
})

test('takes a size beyond 8 GiB, which octal cannot say', async () => {
  const path = join(folder.root, 'large')
  const handle = await open(path, 'w+')
  const size = 12 * GIB
  try {
    await handle.write(header({ name: 'layer', size, base256: true }), 0, BLOCK, 0)
    await handle.truncate(BLOCK + size + 2 * BLOCK)
    const entries = await indexTar(handle, BLOCK + size + 2 * BLOCK)
    expect(entries.get('layer')).toEqual({ type: 'file', size, offset: BLOCK })
  } finally {
    await handle.close()
  }
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
