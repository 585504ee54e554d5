import { createHash } from 'node:crypto'
import { isCode } from '../errors/error.ts'
import { digestAlgorithm } from '../oci/digest.ts'
import { blobDigest } from './archive-blob.ts'
import type { ArchiveFile, ArchiveFiles } from './archive-files.ts'
import type { ArchiveImage, LayerDescription } from './archive-image.ts'
import { decompressed, type ExpansionLimits } from './decompress.ts'
import { type ChunkBuffers, chunkBuffers } from './file-range.ts'
import { assertDigest, untilAborted, verified } from './verified-content.ts'

export interface VerifyOptions extends ExpansionLimits {
  readonly signal?: AbortSignal
  /** Bytes gone through, and all that there are. Called for every chunk. */
  readonly onProgress?: (bytes: number, total: number) => void
}

/**
 * Reads all that a digest vouches for: the layers of the images, as they are stored and uncompressed, and every
 * other blob (attestations, indexes). What no digest names is nothing that an image uses.
 *
 * @throws ImgctlError DIGEST_MISMATCH, ARCHIVE_INVALID, TOO_LARGE (a layer is a decompression bomb)
 */
export async function verifyArchive(
  files: ArchiveFiles,
  images: readonly ArchiveImage<LayerDescription>[],
  { signal, onProgress, ...limits }: VerifyOptions,
): Promise<void> {
  const layers = new Map(images.flatMap((image) => image.layers.map((layer) => [layer.path, layer])))
  const blobs = await otherBlobs(files, layers)
  const sizes = [
    ...[...layers.values()].map(({ storedSize }) => storedSize),
    ...blobs.map(({ size }) => size),
  ]
  const total = sizes.reduce((sum, size) => sum + size, 0)
  let done = 0
  const buffers = chunkBuffers()
  async function* read({ path, size }: ArchiveFile, into?: ChunkBuffers): AsyncGenerator<Uint8Array> {
    for await (const chunk of untilAborted(signal, files.chunks({ path, size }, 0, size, into))) {
      done += chunk.length
      onProgress?.(done, total)
      yield chunk
    }
  }
  for (const layer of layers.values()) {
    // A decompressor keeps chunks while it works, a hash does not.
    const into = layer.compression === 'none' ? buffers : undefined
    const stored = read({ path: layer.path, size: layer.storedSize }, into)
    await verifyLayer(stored, layer, limits)
  }
  for (const blob of blobs) await drain(verified(read(blob, buffers), blobDigest(blob.path)!, blob.path))
}

async function otherBlobs(files: ArchiveFiles, layers: ReadonlyMap<string, unknown>): Promise<ArchiveFile[]> {
  const all = await files.list()
  return all.filter(({ path }) => blobDigest(path) !== undefined && !layers.has(path))
}

async function verifyLayer(
  stored: AsyncIterable<Uint8Array>,
  { path, diffID, compression, descriptor }: LayerDescription,
  limits: ExpansionLimits,
): Promise<void> {
  if (compression === 'none') return drain(verified(stored, descriptor?.digest ?? diffID, path))
  const checked = descriptor ? verified(stored, descriptor.digest, path) : stored
  const hash = createHash(digestAlgorithm(diffID))
  try {
    for await (const chunk of decompressed(checked, compression, path, limits)) hash.update(chunk)
  } catch (error) {
    // Without a decompressor the stored bytes' own digest is what can be checked.
    if (!descriptor || !isCode(error, 'UNSUPPORTED')) throw error
    return drain(checked)
  }
  assertDigest(`${digestAlgorithm(diffID)}:${hash.digest('hex')}`, diffID, path)
}

async function drain(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}
