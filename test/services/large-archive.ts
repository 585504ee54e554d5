import { createCipheriv, createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { Readable, Transform, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Pack, pack } from 'tar-stream'

export interface LargeImageOptions {
  /** The data is spread evenly over so many layers; 1 when absent. */
  layers?: number
  reference?: string
}

export interface LargeImage {
  reference: string
  /** `sha256:...` of each layer's tar, bottom first. */
  diffIds: string[]
  /** `sha256:...` of the config. */
  imageId: string
}

const BLOCK = 64 * 1024
const HALF = BLOCK / 2
const TAR_BLOCK = 512
/** A tar ends with two empty blocks. */
const TAR_END = 2 * TAR_BLOCK
const MTIME = new Date('2024-01-01T00:00:00Z')

/**
 * Writes a `docker save` archive of a linux/amd64 image with `bytes` bytes of data that compress to
 * about a half. Needs no engine, holds one block in memory, and writes the same bytes every time.
 */
export async function largeImageArchive(
  path: string,
  bytes: number,
  options: LargeImageOptions = {},
): Promise<LargeImage> {
  const archive = pack()
  const written = pipeline(archive, createWriteStream(path))
  const [image] = await Promise.all([writeImage(archive, bytes, options), written])
  return image
}

async function writeImage(archive: Pack, bytes: number, options: LargeImageOptions): Promise<LargeImage> {
  const { layers = 1, reference = 'imgctl-test/large:1.0' } = options
  const diffIds: string[] = []
  const names: string[] = []
  for (let layer = 0; layer < layers; layer++) {
    const size = Math.floor(bytes / layers) + (layer < bytes % layers ? 1 : 0)
    names.push(`${layer}/layer.tar`)
    diffIds.push(await writeLayer(archive, names[layer]!, layer, size))
  }
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    created: MTIME.toISOString(),
    config: { Cmd: ['/data'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map(() => ({ created: MTIME.toISOString(), created_by: 'largeImageArchive' })),
  })
  const id = createHash('sha256').update(config).digest('hex')
  archive.entry({ name: `${id}.json`, mtime: MTIME }, config)
  const manifest = [{ Config: `${id}.json`, RepoTags: [reference], Layers: names }]
  archive.entry({ name: 'manifest.json', mtime: MTIME }, JSON.stringify(manifest))
  archive.finalize()
  return { reference, diffIds, imageId: `sha256:${id}` }
}

async function writeLayer(archive: Pack, name: string, layer: number, size: number): Promise<string> {
  const padded = Math.ceil(size / TAR_BLOCK) * TAR_BLOCK
  const outer = archive.entry({ name, size: TAR_BLOCK + padded + TAR_END, mtime: MTIME })
  const inner = pack()
  const file = inner.entry({ name: `data-${layer}`, size, mtime: MTIME })
  const hash = createHash('sha256')
  const hashed = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
  await Promise.all([
    pipeline(Readable.from(halfCompressible(size, layer)), writable(file)).then(() => inner.finalize()),
    pipeline(inner, hashed),
    pipeline(hashed, writable(outer)),
  ])
  return `sha256:${hash.digest('hex')}`
}

/** A tar-stream sink is a streamx stream: it works as Node's, but its type lacks some members. */
function writable(sink: ReturnType<Pack['entry']>): Writable {
  return sink as unknown as Writable
}

/** Blocks of which the first half is noise from a keystream and the second half is zeros. */
function* halfCompressible(size: number, seed: number): Generator<Buffer> {
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed + 1), Buffer.alloc(16))
  const zeros = Buffer.alloc(HALF)
  for (let left = size; left > 0; left -= BLOCK) {
    yield Buffer.concat([noise.update(zeros), zeros]).subarray(0, left)
  }
}
