import { readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readDockerExport } from '../../src/archive/docker-export.ts'
import { exportToLayout } from '../../src/archive/export-to-layout.ts'
import { openArchive } from '../../src/archive/open-archive.ts'
import { dockerSaveFiles } from '../../src/archive/save-files.ts'
import { type TarContent, writeTar } from '../../src/archive/tar-write.ts'
import { ImgctlError } from '../../src/errors/error.ts'
import {
  BLOCK,
  classicEntries,
  configJson,
  END_OF_TAR,
  type Entry,
  entry,
  LayoutBuilder,
  layerTar,
  pax,
  tar,
  withChecksum,
} from './build-archive.ts'
import { SPARSE_FORMS } from './sparse-entries.ts'
import { openDescriptors, temporaryFolder } from './temporary-folder.ts'

/** `npm run test:fuzz` makes 10,000 of each kind; the seed is printed with a failure, so that it can be run again. */
const RUNS = Number(process.env['IMGCTL_FUZZ_RUNS'] ?? 400)
const SEED = Number(process.env['IMGCTL_FUZZ_SEED'] ?? 1)
/** A busy machine takes milliseconds for one. */
const TIMEOUT_MS = 60_000 + RUNS * 50
/** What an archive may be refused with. Anything else is a crash. */
const EXPECTED = new Set(['ARCHIVE_INVALID', 'DIGEST_MISMATCH', 'TOO_LARGE'])

const folder = temporaryFolder()
const layers = [await layerTar('a', Buffer.alloc(3000, 'a')), await layerTar('b', 'b')]

const classic = tar([
  pax({ comment: 'fuzz' }),
  ...classicEntries([
    { tags: ['a:1'], layers },
    { tags: null, layers: layers.slice(1) },
  ]),
  { name: 'link/layer.tar', type: '2', linkname: '../manifest.json' },
])
const layout = (() => {
  const builder = new LayoutBuilder()
  const index = builder.index([builder.image(layers), builder.image(layers, { architecture: 'arm64' })])
  const entries: Entry[] = builder.entries([{ ...index, annotations: { 'io.containerd.image.name': 'a:1' } }])
  return tar(entries)
})()

/** The same image with its layer in each of the forms that leave holes out. */
const sparse = await (async () => {
  const content = Buffer.alloc(20 * BLOCK)
  const filled = [1, 3, 5, 7, 9, 11].map((at) => at * BLOCK)
  for (const start of filled) content.fill('x', start, start + BLOCK)
  const layer = await layerTar('holes', content)
  const extents = [0, ...filled.map((start) => start + BLOCK)].map((start) => [start, BLOCK] as const)
  const entries = Object.values(SPARSE_FORMS).map((form, i) => form(`${i}/layer.tar`, layer, extents))
  const config = configJson(Array.from(entries, () => layer))
  const paths = entries.map((_, i) => `${i}/layer.tar`)
  const manifest = JSON.stringify([{ Config: 'config.json', RepoTags: ['a:1'], Layers: paths }])
  return Buffer.concat([
    ...entries,
    entry({ name: 'config.json', body: config }),
    entry({ name: 'manifest.json', body: manifest }),
    END_OF_TAR,
  ])
})()

/** mulberry32: small, and the same everywhere. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

type Mutation = (bytes: Buffer, pick: (below: number) => number) => Buffer

const flipByte: Mutation = (bytes, pick) => {
  bytes[pick(bytes.length)] = pick(256)
  return bytes
}
const cut: Mutation = (bytes, pick) => bytes.subarray(0, pick(bytes.length))
const repeatPart: Mutation = (bytes, pick) => {
  const at = pick(bytes.length / BLOCK) * BLOCK
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at - pick(4) * BLOCK)])
}
const dropPart: Mutation = (bytes, pick) => {
  const at = pick(bytes.length / BLOCK) * BLOCK
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + (1 + pick(3)) * BLOCK)])
}
/** A header field with its checksum put right: what blind flips never pass. */
const changeHeader: Mutation = (bytes, pick) => {
  const starts = headerPositions(bytes)
  const start = starts[pick(starts.length)]
  if (start === undefined) return bytes
  const block = bytes.subarray(start, start + BLOCK)
  const at = [0, 1, 124, 125, 130, 135, 156, 157, 158, 257, 345][pick(11)]!
  block[at] = pick(3) === 0 ? pick(256) : '0127xgLKS./\0-'.charCodeAt(pick(13))
  withChecksum(block)
  return bytes
}
/** A number of a sparse file's map: of GNU's header, or of a pax record. */
const changeMap: Mutation = (bytes, pick) => {
  const gnu = headerPositions(bytes).filter((at) => bytes[at + 156] === 'S'.charCodeAt(0))
  const record = bytes.indexOf('GNU.sparse.', pick(bytes.length))
  const start = gnu[pick(gnu.length)]
  if (start !== undefined && pick(2) === 0) {
    bytes[start + 386 + pick(109)] = '01234567\0 9a'.charCodeAt(pick(12))
    withChecksum(bytes.subarray(start, start + BLOCK))
  } else if (record >= 0) bytes[record + pick(60)] = '0123456789,=\n'.charCodeAt(pick(13))
  return bytes
}
/** A character of JSON, most often a digit, bracket or quote. */
const changeDocument: Mutation = (bytes, pick) => {
  const at = bytes.indexOf(['"Config"', '"Layers"', '"digest"', '"size"', 'diff_ids', 'mediaType'][pick(6)]!)
  if (at < 0) return bytes
  bytes[at + pick(90)] = '"[]{},:0129af/.\\\0'.charCodeAt(pick(17))
  return bytes
}
const MUTATIONS = [
  flipByte,
  cut,
  repeatPart,
  dropPart,
  changeHeader,
  changeHeader,
  changeDocument,
  changeDocument,
  changeMap,
]

function headerPositions(bytes: Buffer): number[] {
  return Array.from({ length: Math.floor(bytes.length / BLOCK) }, (_, i) => i * BLOCK).filter(
    (at) => bytes.toString('latin1', at + 257, at + 262) === 'ustar',
  )
}

function mutated(seed: number, original: Buffer): Buffer {
  const pick = random(seed)
  let bytes: Buffer = Buffer.from(original)
  for (let times = 1 + pick(3); times > 0 && bytes.length >= BLOCK; times--) {
    bytes = MUTATIONS[pick(MUTATIONS.length)]!(bytes, pick)
  }
  return bytes
}

async function openAndRead(path: string): Promise<void> {
  const archive = await openArchive(path, { spool: { folder: folder.spool, maxBytes: 10_000_000 } })
  try {
    for (const image of archive.images) {
      for (const layer of image.layers) {
        for await (const _ of await layer.open());
        await layer.contentSize()
      }
    }
    await archive.verify({ maxBytes: 10_000_000 })
    await convert(dockerSaveFiles(archive.images))
  } finally {
    await archive.close()
  }
}

async function convert(files: AsyncIterable<TarContent>): Promise<void> {
  for await (const _ of writeTar(files));
}

const passExport = async (bytes: Buffer) => {
  await readDockerExport(Readable.from([bytes], { objectMode: false }), async ({ body }) => {
    for await (const _ of body);
  })
  await convert(exportToLayout(Readable.from([bytes], { objectMode: false }), { folder: folder.spool }))
}

/** No archive here takes a hundredth of this. */
const HANG_MS = 10_000

async function outcome(action: () => Promise<void>): Promise<string> {
  const hang = new AbortController()
  try {
    const hangs = sleep(HANG_MS, undefined, { signal: hang.signal }).then(() => {
      throw new Error('it hangs')
    })
    await Promise.race([action(), hangs])
    return 'accepted'
  } catch (error) {
    if (error instanceof ImgctlError && EXPECTED.has(error.code)) return error.code
    throw error
  } finally {
    hang.abort()
  }
}

test.each([
  ['docker-save', classic],
  ['OCI layout', layout],
  ['sparse', sparse],
])(
  'a damaged %s archive is read or refused, and nothing is left',
  async (_, original) => {
    const path = join(folder.root, 'fuzzed')
    const before = openDescriptors()
    const outcomes = new Map<string, number>()
    for (let seed = SEED; seed < SEED + RUNS; seed++) {
      const bytes = mutated(seed, original)
      await writeFile(path, seed % 4 === 0 ? damagedGzip(bytes, seed) : bytes)
      try {
        const result = await outcome(() => openAndRead(path))
        outcomes.set(result, (outcomes.get(result) ?? 0) + 1)
        await outcome(() => passExport(bytes))
      } catch (error) {
        throw new Error(`IMGCTL_FUZZ_SEED=${seed} crashes`, { cause: error })
      }
      expect(folder.spooledFiles()).toEqual([])
    }
    expect(openDescriptors()).toBe(before)
    expect(
      readdirSync(folder.root).filter((name) => !/^(?:fuzzed|spool-.*|archive-\d+)$/.test(name)),
    ).toEqual([])
    // Without both the mutations would be too weak or too strong to show anything.
    expect([...outcomes.keys()]).toEqual(expect.arrayContaining(['accepted', 'ARCHIVE_INVALID']))
  },
  TIMEOUT_MS,
)

/** A gzip'd archive; every third time its compressed bytes are damaged too. */
function damagedGzip(bytes: Buffer, seed: number): Buffer {
  const compressed = gzipSync(bytes, { level: 1 })
  return seed % 12 === 0 ? flipByte(compressed, random(-seed)) : compressed
}

test('the archives that are damaged are good ones', async () => {
  for (const bytes of [classic, layout, sparse, gzipSync(classic)]) {
    await expect(outcome(async () => openAndRead(await folder.file(bytes)))).resolves.toBe('accepted')
  }
  await expect(outcome(() => passExport(gunzipSync(gzipSync(classic))))).resolves.toBe('accepted')
})
