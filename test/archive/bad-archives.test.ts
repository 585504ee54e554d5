import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { openArchive } from '../../src/archive/open-archive.ts'
import type { ErrorCode } from '../../src/errors/codes.ts'
import { ImgctlError } from '../../src/errors/error.ts'
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import {
  BLOCK,
  classicEntries,
  configJson,
  type Entry,
  entry,
  header,
  hex,
  LayoutBuilder,
  layerTar,
  pax,
  tar,
  withChecksum,
} from './build-archive.ts'
import { openDescriptors, temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()
const layer = await layerTar('file.txt', 'content')
const config = configJson([layer])

/** The error of opening an archive and reading all its layers; nothing may stay open or on disk. */
async function failure(path: string, maxBytes?: number): Promise<ImgctlError> {
  const before = openDescriptors()
  const spool = { folder: folder.spool, ...(maxBytes ? { maxBytes } : {}) }
  const error = await readAll(path, spool).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(ImgctlError)
  expect(folder.spooledFiles()).toEqual([])
  expect(openDescriptors()).toBe(before)
  return error as ImgctlError
}

async function readAll(path: string, spool: { folder: string }): Promise<string> {
  const archive = await openArchive(path, { spool })
  try {
    for (const { layers } of archive.images) for (const each of layers) await buffer(await each.open())
  } finally {
    await archive.close()
  }
  return 'no error'
}

type Case = [name: string, bytes: () => Uint8Array, code: ErrorCode, message: RegExp]

const classic = (change: Partial<{ config: Entry; layer: Entry; manifest: unknown }> = {}): Entry[] => [
  change.config ?? { name: 'config.json', body: config },
  change.layer ?? { name: 'a/layer.tar', body: layer },
  {
    name: 'manifest.json',
    body: JSON.stringify(
      change.manifest ?? [{ Config: 'config.json', RepoTags: ['app:1'], Layers: ['a/layer.tar'] }],
    ),
  },
]

const layout = (change: (builder: LayoutBuilder) => unknown[]): Uint8Array => {
  const builder = new LayoutBuilder()
  return tar(builder.entries(change(builder)))
}

const withEntry = (extra: Entry) => () => tar([extra, ...classic()])

const TAR_CASES: Case[] = [
  ['an empty file', () => Buffer.alloc(0), 'ARCHIVE_INVALID', /file is empty/],
  ['text', () => Buffer.from('FROM scratch\n'), 'ARCHIVE_INVALID', /not a tar archive/],
  ['long text', () => Buffer.alloc(10_000, 'FROM scratch\n'), 'ARCHIVE_INVALID', /not a tar archive/],
  ['zeros', () => Buffer.alloc(10_240), 'ARCHIVE_INVALID', /no image/],
  ['an empty tar', () => tar([]), 'ARCHIVE_INVALID', /neither manifest.json .* nor index.json/],
  [
    'a tar cut in a header',
    () => tar(classic()).subarray(0, BLOCK * 2 + 100),
    'ARCHIVE_INVALID',
    /cut short/,
  ],
  [
    'a tar cut in a body',
    () => tar(classic()).subarray(0, BLOCK + 10),
    'ARCHIVE_INVALID',
    /cut short.*config.json/,
  ],
  [
    'a tar cut between entries',
    () => Buffer.concat([entry(classic()[0]!), entry(classic()[2]!)]),
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
    () => Buffer.concat([entry(classic()[0]!), Buffer.alloc(BLOCK, 'x'), tar(classic())]),
    'ARCHIVE_INVALID',
    /header at byte \d+ is damaged/,
  ],
  [
    'a single block of zeros in the middle',
    () => Buffer.concat([entry(classic()[0]!), Buffer.alloc(BLOCK), tar(classic())]),
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
  ['NUL in a path', () => tar([pax({ path: 'a\0b' }), ...classic()]), 'ARCHIVE_INVALID', /contains NUL/],
  ['an escape in a path', withEntry({ name: '../\x1b[2J' }), 'ARCHIVE_INVALID', /'..\/\\x1b\[2J'/],
  [
    'a path of 5000 characters',
    () => tar([pax({ path: 'a'.repeat(5000) }), ...classic()]),
    'ARCHIVE_INVALID',
    /'a{120}\.\.\.' is too long/,
  ],
  ['an entry without name', withEntry({ name: '' }), 'ARCHIVE_INVALID', /no name/],
  [
    'manifest.json twice',
    () => tar([...classic(), ...classic().slice(2)]),
    'ARCHIVE_INVALID',
    /'manifest.json' is there twice/,
  ],
  [
    'a path twice in two forms',
    () => tar([...classic(), { name: './/config.json', body: '{}' }]),
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
        ...classic({ layer: { name: 'a/layer.tar', type: '2', linkname: 'b' } }),
        { name: 'a/b', type: '2', linkname: 'layer.tar' },
      ]),
    'ARCHIVE_INVALID',
    /link 'a\/layer.tar' goes round/,
  ],
  [
    'a link to nothing',
    () => tar(classic({ layer: { name: 'a/layer.tar', type: '2', linkname: 'gone' } })),
    'ARCHIVE_INVALID',
    /no 'a\/layer.tar'/,
  ],
  [
    'a device as a layer',
    () => tar(classic({ layer: { name: 'a/layer.tar', type: '3' } })),
    'ARCHIVE_INVALID',
    /'a\/layer.tar' is not a regular file/,
  ],
  ['a GNU sparse entry', withEntry({ name: 'x', type: 'S' }), 'ARCHIVE_INVALID', /'x' is stored sparse/],
  [
    'a pax sparse entry',
    () => tar([pax({ 'GNU.sparse.major': '1' }), ...classic()]),
    'ARCHIVE_INVALID',
    /'config.json' is stored sparse/,
  ],
  [
    'a pax size that is no number',
    () => tar([pax({ size: '-1' }), ...classic()]),
    'ARCHIVE_INVALID',
    /size '-1'/,
  ],
  [
    'a pax size beyond the end',
    () => tar([pax({ size: '99999999' }), ...classic()]),
    'ARCHIVE_INVALID',
    /cut short/,
  ],
  ...['path=x\n', '0 path=x\n', '99 path=x\n', '9 path=x', '8 pathx\n', ' 9 path=x\n'].map(
    (body): Case => [
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
    () => tar([...Array.from({ length: 100 }, () => pax({ comment: 'x' })), ...classic()]),
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
  return Buffer.concat([withChecksum(block), tar(classic())])
}

const SAVE_CASES: Case[] = [
  [
    'manifest.json that is not JSON',
    () => tar([{ name: 'manifest.json', body: '{' }]),
    'ARCHIVE_INVALID',
    /'manifest.json' is not JSON/,
  ],
  [
    'manifest.json that is not UTF-8',
    () => tar([{ name: 'manifest.json', body: Buffer.from([0x22, 0xff, 0x22]) }]),
    'ARCHIVE_INVALID',
    /not JSON/,
  ],
  ['manifest.json that is an object', () => tar(classic({ manifest: {} })), 'ARCHIVE_INVALID', /not a list/],
  [
    'manifest.json with null',
    () => tar(classic({ manifest: [null] })),
    'ARCHIVE_INVALID',
    /image 0 .* no config/,
  ],
  ['manifest.json without images', () => tar(classic({ manifest: [] })), 'ARCHIVE_INVALID', /holds no image/],
  [
    'manifest.json with 2000 images',
    () => tar(classic({ manifest: Array(2000).fill({ Config: 'config.json', Layers: [] }) })),
    'ARCHIVE_INVALID',
    /more than 1000 images/,
  ],
  [
    'layers that are no list',
    () => tar(classic({ manifest: [{ Config: 'config.json', Layers: 'a' }] })),
    'ARCHIVE_INVALID',
    /no list of layers/,
  ],
  [
    'names that are numbers',
    () => tar(classic({ manifest: [{ Config: 'config.json', Layers: [], RepoTags: [1] }] })),
    'ARCHIVE_INVALID',
    /names of image 0/,
  ],
  [
    'a config outside',
    () => tar(classic({ manifest: [{ Config: '../config.json', Layers: [] }] })),
    'ARCHIVE_INVALID',
    /leads out/,
  ],
  [
    'no config',
    () => tar(classic().slice(1)),
    'ARCHIVE_INVALID',
    /the config is missing: there is no 'config.json'/,
  ],
  [
    'no layer',
    () => tar([classic()[0]!, classic()[2]!]),
    'ARCHIVE_INVALID',
    /a layer is missing: there is no 'a\/layer.tar'/,
  ],
  [
    'a manifest.json of 5 MB',
    () => tar([{ name: 'manifest.json', body: Buffer.alloc(5_000_000, ' ') }]),
    'ARCHIVE_INVALID',
    /5000000 bytes, more than/,
  ],
  [
    'a config of 9 MB',
    () => tar(classic({ config: { name: 'config.json', body: Buffer.alloc(9_000_000, ' ') } })),
    'ARCHIVE_INVALID',
    /9000000 bytes, more than/,
  ],
  [
    'one large config named by many images',
    () =>
      tar(
        classic({
          config: { name: 'config.json', body: Buffer.concat([config, Buffer.alloc(7_000_000, ' ')]) },
          manifest: Array(10).fill({ Config: 'config.json', Layers: ['a/layer.tar'] }),
        }),
      ),
    'ARCHIVE_INVALID',
    /configs and manifests have more than/,
  ],
  [
    'a config that is not JSON',
    () => tar(classic({ config: { name: 'config.json', body: 'x' } })),
    'ARCHIVE_INVALID',
    /'config.json': the image config is not JSON/,
  ],
  [
    'a config that is null',
    () => tar(classic({ config: { name: 'config.json', body: 'null' } })),
    'ARCHIVE_INVALID',
    /names no os/,
  ],
  [
    'a config without architecture',
    () => tar(classic({ config: { name: 'config.json', body: '{"os":"linux"}' } })),
    'ARCHIVE_INVALID',
    /no os and architecture/,
  ],
  [
    'a config with a diff_id that is no digest',
    () =>
      tar(
        classic({
          config: {
            name: 'config.json',
            body: '{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["sha256:12"]}}',
          },
        }),
      ),
    'ARCHIVE_INVALID',
    /diff_ids\[0\]/,
  ],
  [
    'fewer diff_ids than layers',
    () => tar(classic({ config: { name: 'config.json', body: configJson([]) } })),
    'ARCHIVE_INVALID',
    /has 0 diff_ids, manifest.json has 1 layers/,
  ],
  [
    'a config that does not hash to its name',
    () =>
      tar(
        classic({
          config: { name: `${'0'.repeat(64)}.json`, body: config },
          manifest: [{ Config: `${'0'.repeat(64)}.json`, Layers: ['a/layer.tar'] }],
        }),
      ),
    'DIGEST_MISMATCH',
    /'0+\.json' is damaged/,
  ],
  [
    'a layer that does not hash to its diffID',
    () => tar(classic({ layer: { name: 'a/layer.tar', body: flipped(layer) } })),
    'DIGEST_MISMATCH',
    /'a\/layer.tar' is damaged/,
  ],
  [
    'a gzip layer that does not hash to its diffID',
    () => tar(classic({ layer: { name: 'a/layer.tar', body: gzipSync(flipped(layer)) } })),
    'DIGEST_MISMATCH',
    /'a\/layer.tar' is damaged/,
  ],
  [
    'a gzip layer that is cut short',
    () => tar(classic({ layer: { name: 'a/layer.tar', body: gzipSync(layer).subarray(0, 40) } })),
    'ARCHIVE_INVALID',
    /gzip data of 'a\/layer.tar'/,
  ],
  [
    'a large gzip layer that is damaged at its start',
    () => {
      const body = gzipSync(Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))))
      const long = Buffer.concat([body.subarray(0, 20), Buffer.alloc(3_000_000, 'x')])
      return tar(classic({ layer: { name: 'a/layer.tar', body: long } }))
    },
    'ARCHIVE_INVALID',
    /gzip data of 'a\/layer.tar'/,
  ],
  [
    'an xz layer',
    () => tar(classic({ layer: { name: 'a/layer.tar', body: Buffer.from('\xfd7zXZ\0rest', 'latin1') } })),
    'ARCHIVE_INVALID',
    /'a\/layer.tar' is compressed with xz/,
  ],
  [
    'a plain blob whose name is not its diffID',
    () => {
      const path = `blobs/sha256/${'1'.repeat(64)}`
      const manifest = [{ Config: 'config.json', Layers: [path] }]
      return tar(classic({ layer: { name: path, body: layer }, manifest }))
    },
    'DIGEST_MISMATCH',
    /is not compressed, but the config calls it/,
  ],
  [
    'a gzip blob that does not hash to its name',
    () => {
      const path = `blobs/sha256/${'1'.repeat(64)}`
      const manifest = [{ Config: 'config.json', Layers: [path] }]
      return tar(classic({ layer: { name: path, body: gzipSync(layer) }, manifest }))
    },
    'DIGEST_MISMATCH',
    /'blobs\/sha256\/1+' is damaged/,
  ],
]

const LAYOUT_CASES: Case[] = [
  [
    'a layout without oci-layout',
    () => tar([{ name: 'index.json', body: '{}' }]),
    'ARCHIVE_INVALID',
    /no 'oci-layout'/,
  ],
  [
    'a layout without index',
    () => tar([{ name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' }]),
    'ARCHIVE_INVALID',
    /no 'index.json'/,
  ],
  [
    'a layout of version 2',
    () =>
      tar([
        { name: 'oci-layout', body: '{"imageLayoutVersion":"2.0.0"}' },
        { name: 'index.json', body: '{}' },
      ]),
    'ARCHIVE_INVALID',
    /names no version/,
  ],
  [
    'a layout of version null',
    () =>
      tar([
        { name: 'oci-layout', body: 'null' },
        { name: 'index.json', body: '{}' },
      ]),
    'ARCHIVE_INVALID',
    /names no version/,
  ],
  ['an index that names nothing', () => layout(() => []), 'ARCHIVE_INVALID', /holds no image/],
  [
    'an index that is a manifest',
    () =>
      tar([
        { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
        {
          name: 'index.json',
          body: JSON.stringify({
            schemaVersion: 2,
            config: { mediaType: OCI_CONFIG, digest: `sha256:${hex(config)}`, size: 1 },
            layers: [],
          }),
        },
      ]),
    'ARCHIVE_INVALID',
    /'index.json' is not an index/,
  ],
  [
    'a descriptor whose digest is a path',
    () => layout(() => [{ mediaType: OCI_MANIFEST, digest: 'sha256:../../etc/passwd', size: 1 }]),
    'ARCHIVE_INVALID',
    /'index.json': .*digest/,
  ],
  [
    'no manifest',
    () =>
      layout((builder) => {
        const image = builder.image([layer])
        builder.drop(image.digest)
        return [image]
      }),
    'ARCHIVE_INVALID',
    /no 'blobs\/sha256\/[0-9a-f]{64}'/,
  ],
  [
    'no layer blob',
    () =>
      layout((builder) => {
        const blob = builder.blob(gzipSync(layer), OCI_LAYER_GZIP)
        builder.drop(blob.digest)
        return [builder.manifest(builder.blob(config, OCI_CONFIG), [blob])]
      }),
    'ARCHIVE_INVALID',
    /no 'blobs\/sha256\/[0-9a-f]{64}'/,
  ],
  [
    'a manifest of another size',
    () => layout((builder) => [{ ...builder.image([layer]), size: 3 }]),
    'ARCHIVE_INVALID',
    /its descriptor says 3/,
  ],
  [
    'a manifest that calls itself something else',
    () =>
      layout((builder) => [
        { ...builder.image([layer]), mediaType: 'application/vnd.oci.image.index.v1+json' },
      ]),
    'ARCHIVE_INVALID',
    /calls itself/,
  ],
  [
    'a manifest that does not hash to its digest',
    () => replaced('schemaVersion":2,"mediaType', 'schemaVersion":2,"mediaTypf'),
    'DIGEST_MISMATCH',
    /is damaged/,
  ],
  [
    'a config that does not hash to its digest',
    () => replaced('Entrypoint', 'Entrypoinz'),
    'DIGEST_MISMATCH',
    /damaged/,
  ],
  [
    'a layer that does not hash to its digest',
    () => {
      const bytes = Buffer.from(layout((builder) => [builder.image([layer])]))
      const stored = gzipSync(layer)
      const at = bytes.indexOf(stored)
      bytes[at + 20]! ^= 1
      return bytes
    },
    'DIGEST_MISMATCH',
    /damaged/,
  ],
  [
    'a layer of another size',
    () =>
      layout((builder) => {
        const blob = builder.blob(gzipSync(layer), OCI_LAYER_GZIP)
        return [builder.manifest(builder.blob(config, OCI_CONFIG), [{ ...blob, size: 5 }])]
      }),
    'ARCHIVE_INVALID',
    /the layer .* its descriptor says 5/,
  ],
  [
    'fewer layers than diff_ids',
    () => layout((builder) => [builder.manifest(builder.blob(config, OCI_CONFIG), [])]),
    'ARCHIVE_INVALID',
    /1 diff_ids for 0 layers/,
  ],
  [
    'indexes nested ten deep',
    () =>
      layout((builder) => {
        let inner: unknown = builder.image([layer])
        for (let depth = 0; depth < 10; depth++) inner = builder.index([inner])
        return [inner]
      }),
    'ARCHIVE_INVALID',
    /nested more than 4 deep/,
  ],
  [
    'indexes that lead to millions of manifests',
    () =>
      layout((builder) => {
        let inner: unknown = builder.image([layer])
        for (let depth = 0; depth < 3; depth++) inner = builder.index(Array(300).fill(inner))
        return [inner]
      }),
    'ARCHIVE_INVALID',
    /more than 1000 manifests/,
  ],
]

const COMPRESSED_CASES: Case[] = [
  [
    'gzip that is cut short',
    () => gzipSync(tar(classic())).subarray(0, 200),
    'ARCHIVE_INVALID',
    /gzip data is cut short/,
  ],
  [
    'gzip that is cut to its header',
    () => gzipSync(tar(classic())).subarray(0, 12),
    'ARCHIVE_INVALID',
    /gzip data is cut short/,
  ],
  ['gzip that is damaged', () => damagedGzip(), 'ARCHIVE_INVALID', /gzip data is damaged/],
  ['gzip of text', () => gzipSync(Buffer.alloc(5000, 'text')), 'ARCHIVE_INVALID', /not a tar archive/],
  ['gzip of nothing', () => gzipSync(''), 'ARCHIVE_INVALID', /not a tar archive/],
  [
    'gzip of a tar cut short',
    () => gzipSync(tar(classic()).subarray(0, 600)),
    'ARCHIVE_INVALID',
    /cut short: entry/,
  ],
  ['gzip in gzip', () => gzipSync(gzipSync(tar(classic()))), 'ARCHIVE_INVALID', /not a tar archive/],
  ['zstd', () => zstdCompressSync(tar(classic())), 'ARCHIVE_INVALID', /compressed with zstd/],
  ['xz', () => Buffer.from('\xfd7zXZ\0rest', 'latin1'), 'ARCHIVE_INVALID', /compressed with xz/],
  ['bzip2', () => Buffer.from('BZh91AY'), 'ARCHIVE_INVALID', /compressed with bzip2/],
]

function damagedGzip(): Buffer {
  const bytes = gzipSync(Buffer.concat([tar(classic()), crypto.getRandomValues(new Uint8Array(50_000))]))
  bytes[bytes.length - 6]! ^= 0xff
  return bytes
}

function replaced(from: string, to: string): Buffer {
  const bytes = Buffer.from(layout((builder) => [builder.image([layer])]))
  const at = bytes.indexOf(from)
  expect(at).toBeGreaterThan(0)
  bytes.write(to, at)
  return bytes
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[BLOCK]! ^= 1
  return copy
}

describe.each([
  ['as tar', TAR_CASES],
  ['as docker-save', SAVE_CASES],
  ['as OCI layout', LAYOUT_CASES],
  ['as compressed tar', COMPRESSED_CASES],
])('a file that is bad %s is refused:', (_, cases) => {
  test.each(cases)('%s', async (_name, bytes, code, message) => {
    const error = await failure(await folder.file(bytes()))
    expect(error.message).toMatch(message)
    expect(error.code).toBe(code)
  })
})

describe('what is at the path', () => {
  test('nothing', async () => {
    const error = await failure(join(folder.root, 'nothing.tar'))
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', exitCode: 3 })
    expect(error.message).toContain('nothing.tar')
  })

  test.each(['', 'a\0b', 'x'.repeat(5000), '/dev/null/x'])('no possible path %j', async (path) => {
    expect((await failure(path)).code).toBe('FILE_NOT_FOUND')
  })

  test('a folder that is no layout', async () => {
    const error = await failure(await folder.folder([{ name: 'Dockerfile', body: 'FROM scratch' }]))
    expect(error.code).toBe('ARCHIVE_INVALID')
    expect(error.message).toMatch(/holds no image/)
  })

  test('a layout whose index is a folder', async () => {
    const path = await folder.folder([{ name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' }])
    await mkdir(join(path, 'index.json'))
    expect((await failure(path)).message).toMatch(/'index.json' is not a regular file/)
  })

  test.runIf(process.platform !== 'win32')('a device', async () => {
    expect(await failure('/dev/zero')).toMatchObject({ code: 'FILE_UNREADABLE' })
  })

  test('a link to itself', async () => {
    const path = join(folder.root, 'loop')
    await symlink(path, path)
    expect(await failure(path)).toMatchObject({ code: 'FILE_UNREADABLE' })
  })
})

test('a valid archive is not refused', async () => {
  const entries = classicEntries([{ tags: ['a:1'], layers: [layer] }])
  await expect(readAll(await folder.file(tar(entries)), { folder: folder.spool })).resolves.toBe('no error')
})

test('a compressed archive larger than the limit is refused', async () => {
  const bomb = gzipSync(tar([...classic(), { name: 'zeros', body: Buffer.alloc(30_000_000) }]))
  expect(bomb.length).toBeLessThan(100_000)
  expect(await failure(await folder.file(bomb), 1_000_000)).toMatchObject({ code: 'TOO_LARGE' })
})

test('a temporary folder that is not there is said', async () => {
  const path = await folder.file(gzipSync(tar(classic())))
  const spool = { folder: join(folder.root, 'gone') }
  await expect(openArchive(path, { spool })).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
})
