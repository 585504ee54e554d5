import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { withoutBufferGarbage } from '../internal/buffer-garbage.ts'
import type { Digest } from '../oci/digest.ts'
import { MAX_CONFIG_BYTES } from '../oci/image-config.ts'
import { blobDigest, blobPath, LAYER_TYPES } from './archive-blob.ts'
import { archiveInvalid, quoteName } from './archive-error.ts'
import type { LayerDescription } from './archive-image.ts'
import { MAGIC_BYTES } from './compression.ts'
import { layerCompression } from './docker-export.ts'
import { readDockerSave, SAVE_MANIFEST } from './docker-save.ts'
import { ExportFiles } from './export-files.ts'
import { type ChunkBuffers, chunkBuffers, fileRange } from './file-range.ts'
import { INDEX_FILE, LAYOUT_FILE } from './layout-names.ts'
import { readLayout } from './oci-layout.ts'
import { type BlobLayer, document, packImages } from './pack-images.ts'
import { type SpoolOptions, spool } from './spool.ts'
import { StreamBytes } from './stream-bytes.ts'
import { BLOCK } from './tar-header.ts'
import type { TarFile } from './tar-index.ts'
import { walkTar } from './tar-walk.ts'
import type { TarContent } from './tar-write.ts'
import { assertDigest, untilAborted, verified } from './verified-content.ts'

/** What every config and manifest begins with. */
const OBJECT = '{'.charCodeAt(0)

type ExportOptions = Pick<SpoolOptions, 'folder' | 'signal'>

/**
 * Turns what an engine's export streams into the files of an OCI layout, in one pass. Blobs (Docker 25 and later)
 * go on as they pass, with their index, attestations too. A classic archive names its layers by ids, and a tar
 * wants a blob's name before its bytes: so one layer at a time is kept in a nameless temporary file. That is the
 * most disk it takes: the largest layer. Each file is to be read before the next one is asked for, and each chunk
 * used up before the next.
 *
 * @throws ImgctlError ARCHIVE_INVALID (a part of an image did not come), DIGEST_MISMATCH, DISK_FULL; what `stream`
 *   failed with
 */
export async function* exportToLayout(
  stream: Readable,
  options: ExportOptions = {},
): AsyncGenerator<TarContent> {
  const files = new ExportFiles()
  const bytes = new StreamBytes(withoutBufferGarbage(stream))
  const layers = new Map<string, Digest>()
  const written = new Set<string>()
  const buffers = chunkBuffers()
  try {
    for await (const entry of walkTar(bytes)) {
      options.signal?.throwIfAborted()
      files.add(entry)
      if (entry.type !== 'file') continue
      const head = await bytes.peek(Math.min(BLOCK, entry.size))
      const isLayer = layerCompression(head) !== undefined
      if (isLayer) files.keep(entry.path, head.subarray(0, MAGIC_BYTES))
      const digest = blobDigest(entry.path)
      if (digest) {
        if (head[0] === OBJECT) await keepDocument(files, entry, bytes)
        yield { ...entry, body: () => verified(bytes.chunks(entry.size), digest, entry.path) }
      } else if (isLayer) {
        yield* keptLayer(entry, bytes, layers, written, buffers, options)
      } else if (entry.size <= MAX_CONFIG_BYTES) {
        files.keep(entry.path, await bytes.read(entry.size))
      }
    }
    const isLayout = await files.find(INDEX_FILE)
    yield* isLayout ? layoutFiles(files) : madeFiles(files, layers, written)
  } finally {
    stream.destroy()
  }
}

/** Of a blob that is to come, what tells whether an image is complete. */
async function keepDocument(files: ExportFiles, { path, size }: TarFile, bytes: StreamBytes): Promise<void> {
  if (size > MAX_CONFIG_BYTES) return
  const document = await bytes.peek(size)
  if (isImageDocument(document)) files.keep(path, document)
}

/** Whether it is a config, a manifest or an index: SBOMs are JSON too, and large. */
function isImageDocument(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return typeof value === 'object' && value !== null && ('schemaVersion' in value || 'rootfs' in value)
  } catch {
    return false
  }
}

/** A layer under the name of its digest, unless an equal one was there. */
async function* keptLayer(
  { path, size }: TarFile,
  bytes: StreamBytes,
  layers: Map<string, Digest>,
  written: Set<string>,
  buffers: ChunkBuffers,
  options: ExportOptions,
): AsyncGenerator<TarContent> {
  const hash = createHash('sha256')
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes.chunks(size)) {
      hash.update(chunk)
      yield chunk
    }
  }
  const { handle } = await spool(hashed(), options)
  try {
    const digest: Digest = `sha256:${hash.digest('hex')}`
    layers.set(path, digest)
    if (written.has(blobPath(digest))) return
    written.add(blobPath(digest))
    const body = () => untilAborted(options.signal, fileRange(handle, 0, size, buffers))
    yield { path: blobPath(digest), size, body }
  } finally {
    await handle.close()
  }
}

/** The index that the engine itself wrote, when all came that its list of images names, or an image at least. */
async function* layoutFiles(files: ExportFiles): AsyncGenerator<TarContent> {
  await ((await files.find(SAVE_MANIFEST)) ? readDockerSave(files) : readLayout(files))
  for (const path of [INDEX_FILE, LAYOUT_FILE]) {
    const file = await files.require(path, 'a part of the layout')
    yield document(path, await files.document(file, MAX_CONFIG_BYTES))
  }
}

/** Configs, manifests and an index for layers that were written already. */
async function* madeFiles(
  files: ExportFiles,
  layers: ReadonlyMap<string, Digest>,
  written: ReadonlySet<string>,
): AsyncGenerator<TarContent> {
  const images = await readDockerSave(files)
  const packed = images.map((image) => ({
    ...image,
    layers: image.layers.map((layer) => writtenLayer(layer, layers)),
  }))
  yield* packImages(packed, 'oci').filter(({ path }) => !written.has(path))
}

function writtenLayer(
  { path, diffID, compression, storedSize }: LayerDescription,
  layers: ReadonlyMap<string, Digest>,
): BlobLayer {
  const digest = layers.get(path)
  if (digest === undefined) throw archiveInvalid(`${quoteName(path)} is no layer`)
  if (compression === 'none') assertDigest(digest, diffID, path)
  return {
    descriptor: { mediaType: LAYER_TYPES[compression], digest, size: storedSize },
    open: () => {
      throw new Error(`${digest} was written already`)
    },
  }
}
