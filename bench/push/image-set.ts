import { createCipheriv, createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type TarContent, writeTar } from '../../src/archive/tar-write.ts'
import { run } from '../../test/services/command.ts'
import { cacheFolder } from '../../test/services/sid-root.ts'

/** A docker-save archive of the set, made of this machine's own files. */
export interface BenchImage {
  readonly name: ImageName
  readonly archive: string
  /** `imgctl-bench/mixed:1.0` */
  readonly reference: string
  /** Bytes of the archive. */
  readonly bytes: number
  readonly layers: number
}

export type ImageName = 'mixed' | 'small-layers' | 'one-huge' | 'incompressible' | 'text'

type LayerRecipe =
  | { readonly files: 'any' | 'small' | 'text'; readonly bytes: number }
  | { readonly noise: number }

const MB = 1e6
/** Raise it when recipes change: cached sets are then made anew. */
const EDITION = 1
/** Where real files are taken from, in this order. */
const ROOTS = ['/usr/bin', '/usr/lib', '/usr/share', '/usr/include', '/usr/local']
/** One file must not be a whole layer. */
const MAX_FILE_BYTES = 200 * MB
const SMALL_FILE_BYTES = 0.1 * MB
const TEXT = new Set(
  '.c .css .h .hpp .html .js .json .map .md .mjs .pl .pm .po .py .rb .rst .sh .svg .ts .txt .xml .yml'.split(
    ' ',
  ),
)

/** `mixed` has the layers of the image that the goals were set with: 2.35 GB. */
const FULL: Record<ImageName, readonly LayerRecipe[]> = {
  mixed: [655 * MB, 308 * MB, 1391 * MB, 4096].map((bytes) => ({ files: 'any', bytes })),
  'small-layers': Array.from({ length: 100 }, () => ({ files: 'small', bytes: 0.5 * MB })),
  'one-huge': [{ files: 'any', bytes: 1000 * MB }],
  incompressible: [{ noise: 300 * MB }],
  text: [{ files: 'text', bytes: 300 * MB }],
}

/** Of `--quick`: the same shapes in seconds. */
const QUICK: Record<ImageName, readonly LayerRecipe[]> = {
  mixed: [65 * MB, 30 * MB, 39 * MB, 4096].map((bytes) => ({ files: 'any', bytes })),
  'small-layers': Array.from({ length: 20 }, () => ({ files: 'small', bytes: 0.2 * MB })),
  'one-huge': [{ files: 'any', bytes: 50 * MB }],
  incompressible: [{ noise: 20 * MB }],
  text: [{ files: 'text', bytes: 20 * MB }],
}

export const IMAGE_NAMES = Object.keys(FULL) as ImageName[]

/** The image set, made once and kept in the cache folder of the test services (about 4.5 GB, `--quick` 250 MB). */
export async function imageSet(quick: boolean, log: (line: string) => void): Promise<BenchImage[]> {
  const images: BenchImage[] = []
  for (const name of IMAGE_NAMES) images.push(await benchImage(name, quick, log))
  return images
}

/** One of the set. */
export async function benchImage(
  name: ImageName,
  quick: boolean,
  log: (line: string) => void,
): Promise<BenchImage> {
  const folder = join(cacheFolder(), `bench-${quick ? 'quick' : 'full'}-${EDITION}`)
  await mkdir(folder, { recursive: true })
  const recipe = (quick ? QUICK : FULL)[name]
  const archive = join(folder, `${name}.tar`)
  const reference = `imgctl-bench/${name}:1.0`
  if (!existsSync(archive)) {
    log(`making ${archive}`)
    await makeArchive(archive, reference, recipe)
  }
  const { size: bytes } = await stat(archive)
  return { name, archive, reference, bytes, layers: recipe.length }
}

async function makeArchive(
  archive: string,
  reference: string,
  recipe: readonly LayerRecipe[],
): Promise<void> {
  const work = `${archive}.making-${process.pid}`
  await mkdir(work)
  try {
    const files = {
      any: realFiles(() => true),
      small: realFiles(({ size }) => size <= SMALL_FILE_BYTES),
      text: realFiles(({ path }) => TEXT.has(extname(path))),
    }
    const layers: LayerFile[] = []
    for (const [i, layer] of recipe.entries()) {
      const path = join(work, `${i}.tar`)
      if ('noise' in layer) await pipeline(Readable.from(noiseTar(layer.noise)), createWriteStream(path))
      else await tarOf(await take(files[layer.files], layer.bytes), path)
      layers.push({ path, size: (await stat(path)).size, diffId: await sha256(path) })
    }
    const half = join(work, 'archive.tar')
    await pipeline(Readable.from(writeTar(saveFiles(layers, reference))), createWriteStream(half))
    await rename(half, archive)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

interface LayerFile {
  readonly path: string
  readonly size: number
  /** Hex. */
  readonly diffId: string
}

/** The classic form of a docker-save archive: every engine and tool reads it. */
function* saveFiles(layers: readonly LayerFile[], reference: string): Generator<TarContent> {
  const created = '2024-01-01T00:00:00Z'
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    created,
    config: { Cmd: ['/bin/true'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => `sha256:${diffId}`) },
    history: layers.map(() => ({ created, created_by: 'imgctl bench' })),
  })
  const id = createHash('sha256').update(config).digest('hex')
  for (const { path, size, diffId } of layers) {
    yield { path: `${diffId}.tar`, size, body: () => createReadStream(path) }
  }
  yield document(`${id}.json`, config)
  const list = [
    { Config: `${id}.json`, RepoTags: [reference], Layers: layers.map(({ diffId }) => `${diffId}.tar`) },
  ]
  yield document('manifest.json', JSON.stringify(list))
}

function document(path: string, text: string): TarContent {
  const bytes = Buffer.from(text)
  return { path, size: bytes.length, body: () => [bytes] }
}

interface RealFile {
  readonly path: string
  readonly size: number
}

/** Regular files of this machine, in the order of their names. */
async function* realFiles(wanted: (file: RealFile) => boolean): AsyncGenerator<RealFile> {
  for (const root of ROOTS) yield* filesIn(root, wanted)
}

async function* filesIn(folder: string, wanted: (file: RealFile) => boolean): AsyncGenerator<RealFile> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesIn(path, wanted)
    if (!entry.isFile()) continue
    const { size } = await stat(path)
    if (size > 0 && size <= MAX_FILE_BYTES && wanted({ path, size })) yield { path, size }
  }
}

/** The next files of about so many bytes together: each file is in one layer. */
async function take(files: AsyncGenerator<RealFile>, bytes: number): Promise<string[]> {
  const paths: string[] = []
  for (let left = bytes; left > 0; ) {
    const { done, value } = await files.next()
    if (done) throw new Error(`this machine has too few files in ${ROOTS.join(', ')} for the image set`)
    paths.push(value.path)
    left -= value.size
  }
  return paths
}

async function tarOf(paths: readonly string[], target: string): Promise<void> {
  const options = ['--owner=0', '--group=0', '--numeric-owner', '--mtime=2024-01-01', '--absolute-names']
  const { code, stderr } = await run(
    'tar',
    [...options, '--transform=s,^/,,', '--null', '--files-from=-', '-cf', target],
    { input: paths.join('\0'), timeoutMs: 600_000 },
  )
  if (code !== 0) throw new Error(`tar ended with code ${code}: ${stderr}`)
}

/** One file that no compressor makes smaller. */
function noiseTar(bytes: number): AsyncIterable<Uint8Array> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16))
  function* body(): Generator<Buffer> {
    const zeros = Buffer.alloc(MB)
    for (let left = bytes; left > 0; left -= MB) yield cipher.update(zeros.subarray(0, left))
  }
  return writeTar([{ path: 'noise', size: bytes, body }])
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: MB })) hash.update(chunk)
  return hash.digest('hex')
}
