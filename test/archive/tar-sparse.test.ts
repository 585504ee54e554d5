import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { openArchive } from '../../src/archive/open-archive.ts'
import { digestBytes } from '../../src/oci/digest.ts'
import {
  BLOCK,
  configJson,
  END_OF_TAR,
  entry,
  header,
  layerTar,
  pax,
  tar,
  withChecksum,
} from './build-archive.ts'
import { type BadArchive, saved, testRefusals } from './refusal.ts'
import { type Extent, SPARSE_FORMS } from './sparse-entries.ts'
import { temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()

/** A layer with holes: `count` blocks with something in them, a hole before and after each. */
async function holedLayer(count: number): Promise<{ layer: Buffer; extents: Extent[] }> {
  const content = Buffer.alloc((2 * count + 1) * 4096)
  for (let i = 0; i < count; i++) content.fill(i + 1, (2 * i + 1) * 4096, (2 * i + 2) * 4096)
  const layer = await layerTar('holes', content)
  const extents: Extent[] = [[0, BLOCK]]
  for (let i = 0; i < count; i++) extents.push([BLOCK + (2 * i + 1) * 4096, 4096])
  return { layer, extents }
}

function archiveOf(layer: Buffer, stored: Buffer): Buffer {
  const config = configJson([layer])
  const manifest = [{ Config: 'config.json', RepoTags: ['app:1'], Layers: ['layer.tar'] }]
  return Buffer.concat([
    entry({ name: 'config.json', body: config }),
    stored,
    entry({ name: 'manifest.json', body: JSON.stringify(manifest) }),
    END_OF_TAR,
  ])
}

describe.each(Object.entries(SPARSE_FORMS))('a layer that is stored sparse, in the form %s', (_, form) => {
  test.each([0, 1, 3, 4, 24, 25, 26, 46, 100])('with %i pieces in it', async (count) => {
    const { layer, extents } = await holedLayer(count)
    const path = await folder.file(archiveOf(layer, form('layer.tar', layer, extents)))
    const archive = await openArchive(path)
    try {
      await archive.verify()
      const [image] = archive.images
      expect(image!.repoTags).toEqual(['app:1'])
      expect(digestBytes(await buffer(await image!.layers[0]!.open()))).toBe(digestBytes(layer))
      for (const offset of [1, BLOCK, BLOCK + 5000, layer.length - 1]) {
        const rest = await buffer(await image!.layers[0]!.open({ offset }))
        expect(rest.equals(layer.subarray(offset)), `from ${offset}`).toBe(true)
      }
      // Docker does not read GNU's own form: what an engine is given has no holes.
      const whole = await folder.file(await collect(archive.tar()))
      const again = await openArchive(whole)
      await again.verify()
      await again.close()
      expect((await collect(archive.tar())).length).toBe(archive.tarSize)
      expect(archive.tarSize).toBeGreaterThan(layer.length)
    } finally {
      await archive.close()
    }
  })

  test('in a layer, a sparse file counts with its holes', async () => {
    const { layer: content, extents } = await holedLayer(30)
    const layer = Buffer.concat([
      form('big', content, extents),
      entry({ name: 'b', body: 'five!' }),
      END_OF_TAR,
    ])
    const archive = await openArchive(
      await folder.file(archiveOf(layer, entry({ name: 'layer.tar', body: layer }))),
    )
    expect(await archive.images[0]!.layers[0]!.contentSize()).toBe(content.length + 5)
    await archive.close()
  })
})

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = []
  for await (const chunk of chunks) copies.push(Buffer.from(chunk))
  return Buffer.concat(copies)
}

/** An entry of GNU's own form with these fields, whatever they say. */
function gnuEntry(
  extents: readonly Extent[],
  { size, more = 0, body = 0 }: Partial<Record<'size' | 'more' | 'body', number>>,
): Buffer {
  const block = header({ name: 'x', type: 'S', size: body })
  const octal = (value: number) => `${value.toString(8).padStart(11, '0')}\0`
  for (const [i, [start, length]] of extents.entries())
    block.write(octal(start) + octal(length), 386 + i * 24)
  block.writeUInt8(more, 482)
  block.write(octal(size ?? 0), 483)
  return Buffer.concat([withChecksum(block), Buffer.alloc(Math.ceil(body / BLOCK) * BLOCK)])
}

const MAP = /map of a sparse entry is malformed/
const before = (bytes: Buffer) => () => Buffer.concat([bytes, tar(saved())])
const pax10 = (body: string) =>
  before(
    Buffer.concat([
      entry(
        pax({
          'GNU.sparse.major': '1',
          'GNU.sparse.minor': '0',
          'GNU.sparse.name': 'x',
          'GNU.sparse.realsize': '9',
        }),
      ),
      entry({ name: 'y', body }),
    ]),
  )
const pax01 = (records: Record<string, string>) =>
  before(Buffer.concat([entry(pax(records)), entry({ name: 'x', body: 'ab' })]))

const BAD: BadArchive[] = [
  [
    'pieces that overlap',
    before(
      gnuEntry(
        [
          [0, 10],
          [5, 10],
        ],
        { size: 20, body: 20 },
      ),
    ),
    'ARCHIVE_INVALID',
    MAP,
  ],
  [
    'pieces out of order',
    before(
      gnuEntry(
        [
          [10, 5],
          [0, 5],
        ],
        { size: 20, body: 10 },
      ),
    ),
    'ARCHIVE_INVALID',
    MAP,
  ],
  ['a piece beyond the file', before(gnuEntry([[10, 5]], { size: 12, body: 5 })), 'ARCHIVE_INVALID', MAP],
  [
    'more stored than the map says',
    before(gnuEntry([[0, 5]], { size: 12, body: 6 })),
    'ARCHIVE_INVALID',
    MAP,
  ],
  [
    'less stored than the map says',
    before(gnuEntry([[0, 5]], { size: 12, body: 4 })),
    'ARCHIVE_INVALID',
    MAP,
  ],
  [
    'a map that ends with the archive',
    () => gnuEntry([[0, 0]], { size: 1, more: 1 }),
    'ARCHIVE_INVALID',
    MAP,
  ],
  [
    'a map of blocks without end',
    () => {
      const more = Buffer.alloc(BLOCK)
      for (let i = 0; i < 21; i++) more.write('00000000001\0' + '00000000000\0', i * 24)
      more.writeUInt8(1, 504)
      const blocks = Array.from({ length: 5000 }, () => more)
      return Buffer.concat([gnuEntry([[0, 0]], { size: 1, more: 1 }), ...blocks])
    },
    'ARCHIVE_INVALID',
    MAP,
  ],
  ['a map of one number', pax01({ 'GNU.sparse.map': '0', 'GNU.sparse.size': '2' }), 'ARCHIVE_INVALID', MAP],
  ['a map of words', pax01({ 'GNU.sparse.map': 'a,b', 'GNU.sparse.size': '2' }), 'ARCHIVE_INVALID', MAP],
  ['a map without a size', pax01({ 'GNU.sparse.map': '0,2' }), 'ARCHIVE_INVALID', MAP],
  ['a map in a body that is too short', pax10('3\n0\n1\n'), 'ARCHIVE_INVALID', MAP],
  ['a map in a body that says too many', pax10('999999999\n'.padEnd(BLOCK)), 'ARCHIVE_INVALID', MAP],
  ['a map in a body that is text', pax10('hello\nworld\n'.padEnd(BLOCK)), 'ARCHIVE_INVALID', MAP],
  [
    'a path out of the archive',
    pax01({ 'GNU.sparse.map': '0,2', 'GNU.sparse.size': '2', 'GNU.sparse.name': '../x' }),
    'ARCHIVE_INVALID',
    /\.\.\/x/,
  ],
  ['a hole of terabytes', before(gnuEntry([], { size: 8 ** 11 - 1 })), 'TOO_LARGE', /sparse entries have/],
]

describe('a sparse entry is refused:', () => testRefusals(folder, BAD))
