import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'

export interface Recipe {
  readonly tag?: string
  readonly architecture?: string
  /** Random bytes in its one layer: they do not compress. */
  readonly bytes?: number
  readonly entrypoint?: readonly string[] | null
  /** What /app starts with. */
  readonly program?: Uint8Array
}

type Entries = Record<string, Buffer | string>

/** The entries of a docker-save archive of one image with one layer. */
export async function savedImage(recipe: Recipe = {}): Promise<Entries> {
  const {
    tag = 'app:1.0',
    architecture = 'amd64',
    bytes = 1000,
    entrypoint = ['/app'],
    program = Buffer.alloc(0),
  } = recipe
  const layer = await tarOf({ app: Buffer.concat([program, randomBytes(bytes)]) })
  const config = JSON.stringify({
    os: 'linux',
    architecture,
    config: { Entrypoint: entrypoint },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created_by: 'COPY app /app' }],
  })
  const names = { config: `${sha256(config)}.json`, layer: `${sha256(layer)}/layer.tar` }
  return {
    [names.config]: config,
    [names.layer]: layer,
    'manifest.json': JSON.stringify([{ Config: names.config, RepoTags: [tag], Layers: [names.layer] }]),
  }
}

/** An image with one layer of random bytes for each size, which do not compress. */
export async function layeredImage(
  tag: string,
  sizes: readonly number[],
): Promise<{ readonly entries: Entries; readonly diffIDs: readonly string[] }> {
  const layers = await Promise.all(sizes.map((bytes, i) => tarOf({ [`f${i}`]: randomBytes(bytes) })))
  const diffIDs = layers.map((layer) => `sha256:${sha256(layer)}`)
  const config = JSON.stringify({
    os: 'linux',
    architecture: 'amd64',
    config: { Cmd: ['/f0'] },
    rootfs: { type: 'layers', diff_ids: diffIDs },
  })
  const names = layers.map((_, i) => `${i}/layer.tar`)
  const entries = {
    ...Object.fromEntries(layers.map((layer, i) => [names[i]!, layer])),
    'config.json': config,
    'manifest.json': JSON.stringify([{ Config: 'config.json', RepoTags: [tag], Layers: names }]),
  }
  return { entries, diffIDs }
}

/** Two images in one archive. */
export async function savedPair(one: Recipe, other: Recipe): Promise<Entries> {
  const [a, b] = [await savedImage(one), await savedImage(other)]
  const manifests = [a, b].flatMap((entries) => JSON.parse(entries['manifest.json']!.toString()))
  return { ...a, ...b, 'manifest.json': JSON.stringify(manifests) }
}

export async function writeArchive(path: string, entries: Entries): Promise<string> {
  const tar = await tarOf(entries)
  await writeFile(path, path.endsWith('gz') ? gzipSync(tar) : tar)
  return path
}

export async function tarOf(entries: Entries): Promise<Buffer> {
  const tar = pack()
  for (const [name, content] of Object.entries(entries)) tar.entry({ name }, content)
  tar.finalize()
  return buffer(tar)
}

function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex')
}
