import { digestHex } from '../oci/digest.ts'
import type { ArchiveImage, ArchiveLayer } from './archive-image.ts'
import { decompressed } from './decompress.ts'
import { SAVE_MANIFEST } from './docker-save.ts'
import { fileRange } from './file-range.ts'
import { taggedNames } from './image-names.ts'
import { document } from './pack-images.ts'
import { type SpoolOptions, spool } from './spool.ts'
import type { TarContent } from './tar-write.ts'
import { untilAborted } from './verified-content.ts'

/**
 * The files of a classic docker-save archive of these images: every engine loads it, also one that knows no OCI
 * layouts. Layers stay as they are stored, except zstd: Docker before 23 does not know it, so such a layer is
 * decompressed to a nameless temporary file, one at a time. Each file is to be read before the next one.
 *
 * @throws ImgctlError what reading a layer throws; DISK_FULL
 */
export async function* dockerSaveFiles(
  images: readonly ArchiveImage[],
  options: Pick<SpoolOptions, 'folder' | 'signal'> = {},
): AsyncGenerator<TarContent> {
  const layers = new Map(images.flatMap((image) => image.layers.map((layer) => [layerPath(layer), layer])))
  for (const [path, layer] of layers) {
    if (layer.compression === 'zstd') yield* decompressedLayer(path, layer, options)
    else yield { path, size: layer.storedSize, body: () => layer.chunks(options.signal) }
  }
  const configs = new Map(images.map((image) => [configPath(image), image.configBytes]))
  for (const [path, bytes] of configs) yield document(path, bytes)
  const list = images.map((image) => ({
    Config: configPath(image),
    RepoTags: taggedNames(image.names),
    Layers: image.layers.map(layerPath),
  }))
  yield document(SAVE_MANIFEST, Buffer.from(JSON.stringify(list)))
}

/** Equal content has one path, however it is stored. */
function layerPath({ diffID }: ArchiveLayer): string {
  return `${digestHex(diffID)}.tar`
}

function configPath({ configDigest }: ArchiveImage): string {
  return `${digestHex(configDigest)}.json`
}

async function* decompressedLayer(
  path: string,
  layer: ArchiveLayer,
  options: Pick<SpoolOptions, 'folder' | 'signal'>,
): AsyncGenerator<TarContent> {
  // A decompressor keeps chunks while it works: each is to have memory of its own.
  const stored = (await layer.open(
    options.signal ? { signal: options.signal } : {},
  )) as AsyncIterable<Uint8Array>
  const { handle, size } = await spool(decompressed(stored, 'zstd', layer.path), options)
  try {
    yield { path, size, body: () => untilAborted(options.signal, fileRange(handle, 0, size)) }
  } finally {
    await handle.close()
  }
}
