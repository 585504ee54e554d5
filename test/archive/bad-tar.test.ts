import { describe } from 'vitest'
import { BLOCK, type Entry, entry, header, pax, tar, withChecksum } from './build-archive.ts'
import { type BadArchive, saved, testRefusals } from './refusal.ts'
import { temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()

const withEntry = (extra: Entry) => () => tar([extra, ...saved()])

const TAR_CASES: BadArchive[] = [
  ['an empty file', () => Buffer.alloc(0), 'ARCHIVE_INVALID', /file is empty/],
  ['text', () => Buffer.from('FROM scratch\n'), 'ARCHIVE_INVALID', /not a tar archive/],
  ['long text', () => Buffer.alloc(10_000, 'FROM scratch\n'), 'ARCHIVE_INVALID', /not a tar archive/],
  ['zeros', () => Buffer.alloc(10_240), 'ARCHIVE_INVALID', /no image/],
  ['an empty tar', () => tar([]), 'ARCHIVE_INVALID', /neither manifest.json .* nor index.json/],
  ['a tar cut in a header', () => tar(saved()).subarray(0, BLOCK * 2 + 100), 'ARCHIVE_INVALID', /cut short/],
  [
    'a tar cut in a body',
    () => tar(saved()).subarray(0, BLOCK + 10),
    'ARCHIVE_INVALID',
    /cut short.*config.json/,
  ],
  [
    'a tar cut between entries',
    () => Buffer.concat([entry(saved()[0]!), entry(saved()[2]!)]),
    'ARCHIVE_INVALID',
    /no 'a\/layer.tar'/,
  ],
  [
    'a tar cut after an extended header',
    () => entry(pax({ path: 'manifest.json' })),
    'ARCHIVE_INVALID',
    /extended header has no entry/,
  ],
  [
    'a damaged header',
    () => Buffer.concat([entry(saved()[0]!), Buffer.alloc(BLOCK, 'x'), tar(saved())]),
    'ARCHIVE_INVALID',
    /header at byte \d+ is damaged/,
  ],
  [
    'a single block of zeros in the middle',
    () => Buffer.concat([entry(saved()[0]!), Buffer.alloc(BLOCK), tar(saved())]),
    'ARCHIVE_INVALID',
    /zeros stands alone at byte 1024/,
  ],
  ['a size that is no number', withEntry({ name: 'x', size: null }), 'ARCHIVE_INVALID', /size of entry 'x'/],
  [
    'a size beyond the end',
    withEntry({ name: 'x', size: 8 ** 11 - 1 }),
    'ARCHIVE_INVALID',
    /cut short: entry 'x'/,
  ],
  [
    'a base-256 size beyond the end',
    withEntry({ name: 'x', size: 2 ** 50, base256: true }),
    'ARCHIVE_INVALID',
    /cut short: entry 'x'/,
  ],
  ['a base-256 size beyond 2^53', () => hugeBase256(0x80), 'ARCHIVE_INVALID', /size of entry/],
  ['a negative base-256 size', () => hugeBase256(0xff), 'ARCHIVE_INVALID', /size of entry/],
  [
    '../ in a path',
    withEntry({ name: '../manifest.json' }),
    'ARCHIVE_INVALID',
    /'..\/manifest.json' leads out/,
  ],
  ['../ inside a path', withEntry({ name: 'a/../../b' }), 'ARCHIVE_INVALID', /leads out/],
  ['../ in a folder', withEntry({ name: '../', type: '5' }), 'ARCHIVE_INVALID', /leads out/],
  ['an absolute path', withEntry({ name: '/etc/passwd' }), 'ARCHIVE_INVALID', /'\/etc\/passwd' is absolute/],
  ['NUL in a path', () => tar([pax({ path: 'a\0b' }), ...saved()]), 'ARCHIVE_INVALID', /contains NUL/],
  ['an escape in a path', withEntry({ name: '../\x1b[2J' }), 'ARCHIVE_INVALID', /'..\/\\x1b\[2J'/],
  [
    'a path of 5000 characters',
    () => tar([pax({ path: 'a'.repeat(5000) }), ...saved()]),
    'ARCHIVE_INVALID',
    /'a{120}\.\.\.' is too long/,
  ],
  ['an entry without name', withEntry({ name: '' }), 'ARCHIVE_INVALID', /no name/],
  [
    'manifest.json twice',
    () => tar([...saved(), ...saved().slice(2)]),
    'ARCHIVE_INVALID',
    /'manifest.json' is there twice/,
  ],
  [
    'a path twice in two forms',
    () => tar([...saved(), { name: './/config.json', body: '{}' }]),
    'ARCHIVE_INVALID',
    /'config.json' is there twice/,
  ],
  [
    'a symbolic link out of the archive',
    withEntry({ name: 'b/layer.tar', type: '2', linkname: '../../etc/passwd' }),
    'ARCHIVE_INVALID',
    /link 'b\/layer.tar' leads out/,
  ],
  [
    'an absolute symbolic link',
    withEntry({ name: 'b', type: '2', linkname: '/etc/passwd' }),
    'ARCHIVE_INVALID',
    /link 'b' leads out/,
  ],
  [
    'a hard link out of the archive',
    withEntry({ name: 'b', type: '1', linkname: '../etc/passwd' }),
    'ARCHIVE_INVALID',
    /leads out/,
  ],
  [
    'links in a circle',
    () =>
      tar([
        ...saved({ layer: { name: 'a/layer.tar', type: '2', linkname: 'b' } }),
        { name: 'a/b', type: '2', linkname: 'layer.tar' },
      ]),
    'ARCHIVE_INVALID',
    /link 'a\/layer.tar' goes round/,
  ],
  [
    'a link to nothing',
    () => tar(saved({ layer: { name: 'a/layer.tar', type: '2', linkname: 'gone' } })),
    'ARCHIVE_INVALID',
    /no 'a\/layer.tar'/,
  ],
  [
    'a device as a layer',
    () => tar(saved({ layer: { name: 'a/layer.tar', type: '3' } })),
    'ARCHIVE_INVALID',
    /'a\/layer.tar' is not a regular file/,
  ],
  [
    'a pax sparse entry without a map',
    () => tar([pax({ 'GNU.sparse.major': '1' }), ...saved()]),
    'ARCHIVE_INVALID',
    /map of a sparse entry/,
  ],
  [
    'a pax size that is no number',
    () => tar([pax({ size: '-1' }), ...saved()]),
    'ARCHIVE_INVALID',
    /size '-1'/,
  ],
  [
    'a pax size beyond the end',
    () => tar([pax({ size: '99999999' }), ...saved()]),
    'ARCHIVE_INVALID',
    /cut short/,
  ],
  ...['path=x\n', '0 path=x\n', '99 path=x\n', '9 path=x', '8 pathx\n', ' 9 path=x\n'].map(
    (body): BadArchive => [
      `the pax record ${JSON.stringify(body)}`,
      withEntry({ name: 'pax', type: 'x', body }),
      'ARCHIVE_INVALID',
      /pax\) header is malformed/,
    ],
  ),
  [
    'a pax header of 2 MB',
    withEntry({ name: 'pax', type: 'x', body: Buffer.alloc(2_000_000) }),
    'ARCHIVE_INVALID',
    /extended header has 2000000 bytes/,
  ],
  [
    'a hundred extended headers in a row',
    () => tar([...Array.from({ length: 100 }, () => pax({ comment: 'x' })), ...saved()]),
    'ARCHIVE_INVALID',
    /extended headers stand in a row/,
  ],
  [
    'the files of a container',
    () => tar([{ name: 'etc/passwd', body: 'root' }]),
    'ARCHIVE_INVALID',
    /holds no image/,
  ],
]

function hugeBase256(firstByte: number): Buffer {
  const block = header({ name: 'x' })
  block.fill(0xff, 124, 136)
  block.writeUInt8(firstByte, 124)
  return Buffer.concat([withChecksum(block), tar(saved())])
}

describe('a file that is bad as tar is refused:', () => testRefusals(folder, TAR_CASES))
