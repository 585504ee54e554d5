import { open } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { openArchive } from '../../src/archive/open-archive.ts'
import { classicEntries, layerTar, tar } from './build-archive.ts'
import { openDescriptors, temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()
const archive = gzipSync(tar(classicEntries([{ tags: ['a:1'], layers: [await layerTar('a', 'a')] }])))

test('the decompressed file has no name while the archive is open', async () => {
  const opened = await openArchive(await folder.file(archive), { spool: { folder: folder.spool } })
  expect(folder.spooledFiles()).toEqual([])
  await opened.close()
})

/** Every file handle's own write, to make one fail as a full disk does. */
async function fileHandleWrites(path: string) {
  const handle = await open(path)
  try {
    return vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'write')
  } finally {
    await handle.close()
  }
}

test.each(['ENOSPC', 'EDQUOT'])('%s is a full disk, with a hint, and nothing is left', async (code) => {
  const path = await folder.file(archive)
  const before = openDescriptors()
  const write = await fileHandleWrites(path)
  write.mockRejectedValueOnce(Object.assign(new Error(code), { code }))
  try {
    const opening = openArchive(path, { spool: { folder: folder.spool } })
    await expect(opening).rejects.toMatchObject({
      code: 'DISK_FULL',
      hint: expect.stringContaining('TMPDIR'),
    })
  } finally {
    write.mockRestore()
  }
  expect(folder.spooledFiles()).toEqual([])
  expect(openDescriptors()).toBe(before)
})
