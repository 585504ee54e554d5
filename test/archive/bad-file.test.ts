import { execFileSync } from 'node:child_process'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { openArchive } from '../../src/archive/open-archive.ts'
import { classicEntries, tar } from './build-archive.ts'
import { type BadArchive, layer, readAll, refusal, saved, testRefusals } from './refusal.ts'
import { temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()

const COMPRESSED_CASES: BadArchive[] = [
  [
    'gzip that is cut short',
    () => gzipSync(tar(saved())).subarray(0, 200),
    'ARCHIVE_INVALID',
    /gzip data is cut short/,
  ],
  [
    'gzip that is cut to its header',
    () => gzipSync(tar(saved())).subarray(0, 12),
    'ARCHIVE_INVALID',
    /gzip data is cut short/,
  ],
  ['gzip that is damaged', () => damagedGzip(), 'ARCHIVE_INVALID', /gzip data is damaged/],
  ['gzip of text', () => gzipSync(Buffer.alloc(5000, 'text')), 'ARCHIVE_INVALID', /not a tar archive/],
  ['gzip of nothing', () => gzipSync(''), 'ARCHIVE_INVALID', /not a tar archive/],
  [
    'gzip of a tar cut short',
    () => gzipSync(tar(saved()).subarray(0, 600)),
    'ARCHIVE_INVALID',
    /cut short: entry/,
  ],
  ['gzip in gzip', () => gzipSync(gzipSync(tar(saved()))), 'ARCHIVE_INVALID', /not a tar archive/],
  [
    'zstd that is cut short',
    () => zstdCompressSync(tar(saved())).subarray(0, 200),
    'ARCHIVE_INVALID',
    /zstd data is cut short/,
  ],
  ['zstd of text', () => zstdCompressSync(Buffer.alloc(5000, 'text')), 'ARCHIVE_INVALID', /not a tar/],
  [
    'xz that is cut short',
    () => xz(tar(saved())).subarray(0, 200),
    'ARCHIVE_INVALID',
    /xz data is cut short/,
  ],
  [
    'xz that is damaged',
    () => Buffer.from('\xfd7zXZ\0rest and more', 'latin1'),
    'ARCHIVE_INVALID',
    /xz data/,
  ],
  ['bzip2 that is cut short', () => Buffer.from('BZh91AY'), 'ARCHIVE_INVALID', /bzip2 data is cut short/],
  ['bzip2 that is damaged', () => Buffer.alloc(99, 'BZh91AY'), 'ARCHIVE_INVALID', /bzip2 data is damaged/],
]

function xz(bytes: Buffer): Buffer {
  return execFileSync('xz', ['-c'], { input: bytes })
}

function damagedGzip(): Buffer {
  const bytes = gzipSync(Buffer.concat([tar(saved()), crypto.getRandomValues(new Uint8Array(50_000))]))
  bytes[bytes.length - 6]! ^= 0xff
  return bytes
}

describe('a compressed file is refused:', () => testRefusals(folder, COMPRESSED_CASES))

describe('what is at the path', () => {
  test('nothing', async () => {
    const error = await refusal(folder, join(folder.root, 'nothing.tar'))
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', exitCode: 3 })
    expect(error.message).toContain('nothing.tar')
  })

  test.each(['', 'a\0b', 'x'.repeat(5000), '/dev/null/x'])('no possible path %j', async (path) => {
    expect((await refusal(folder, path)).code).toBe('FILE_NOT_FOUND')
  })

  test('a folder that is no layout', async () => {
    const error = await refusal(folder, await folder.folder([{ name: 'Dockerfile', body: 'FROM scratch' }]))
    expect(error.code).toBe('ARCHIVE_INVALID')
    expect(error.message).toMatch(/holds no image/)
  })

  test('a layout whose index is a folder', async () => {
    const path = await folder.folder([{ name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' }])
    await mkdir(join(path, 'index.json'))
    expect((await refusal(folder, path)).message).toMatch(/'index.json' is not a regular file/)
  })

  test.runIf(process.platform !== 'win32')('a device', async () => {
    expect(await refusal(folder, '/dev/zero')).toMatchObject({ code: 'FILE_UNREADABLE' })
  })

  test('a link to itself', async () => {
    const path = join(folder.root, 'loop')
    await symlink(path, path)
    expect(await refusal(folder, path)).toMatchObject({ code: 'FILE_UNREADABLE' })
  })
})

test('a valid archive is not refused', async () => {
  const entries = classicEntries([{ tags: ['a:1'], layers: [layer] }])
  await expect(readAll(folder, await folder.file(tar(entries)))).resolves.toBe('read')
})

test('a compressed archive larger than the limit is refused', async () => {
  const bomb = gzipSync(tar([...saved(), { name: 'zeros', body: Buffer.alloc(30_000_000) }]))
  expect(bomb.length).toBeLessThan(100_000)
  expect(await refusal(folder, await folder.file(bomb), 1_000_000)).toMatchObject({ code: 'TOO_LARGE' })
})

test('a temporary folder that is not there is said', async () => {
  const path = await folder.file(gzipSync(tar(saved())))
  const spool = { folder: join(folder.root, 'gone') }
  await expect(openArchive(path, { spool })).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
})
