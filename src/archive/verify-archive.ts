import { createHash } from 'node:crypto'
import { isCode } from '../errors/error.ts'
import { mapLimit } from '../internal/concurrency.ts'
import { type Digest, digestAlgorithm } from '../oci/digest.ts'
import { blobDigest } from './archive-blob.ts'
import type { ArchiveFile, ArchiveFiles } from './archive-files.ts'
import type { ArchiveImage, LayerDescription, VerifyOptions } from './archive-image.ts'
import { decompressed, type ExpansionLimits } from './decompress.ts'
import { type ChunkBuffers, chunkBuffers } from './file-range.ts'
import { type FileSpan, HashThreads } from './hash-threads.ts'
import { assertDigest, untilAborted, verified } from './verified-content.ts'

/** Below this a thread takes longer to start than the main one to hash. */
const THREAD_FROM_BYTES = 32 * 1024 * 1024

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
  const count = (bytes: number) => {
    done += bytes
    onProgress?.(done, total)
  }
  const buffers = chunkBuffers()
  async function* read({ path, size }: ArchiveFile, into?: ChunkBuffers): AsyncGenerator<Uint8Array> {
    for await (const chunk of untilAborted(signal, files.chunks({ path, size }, 0, size, into))) {
      count(chunk.length)
      yield chunk
    }
  }
  const large: LargeFile[] = []
  const verifyPlain = async (file: ArchiveFile, expected: Digest) => {
    const span = file.size >= THREAD_FROM_BYTES ? files.span(file) : undefined
    if (span) large.push({ span, expected, path: file.path })
    else await drain(verified(read(file, buffers), expected, file.path))
  }
  for (const layer of layers.values()) {
    const file = { path: layer.path, size: layer.storedSize }
    // A decompressor keeps chunks while it works, a hash does not.
    const { compression } = layer
    if (compression === 'none') await verifyPlain(file, layer.descriptor?.digest ?? layer.diffID)
    else await verifyCompressed(read(file), compression, layer, limits)
  }
  for (const blob of blobs) await verifyPlain(blob, blobDigest(blob.path)!)
  await verifyInThreads(large, count, signal)
}

/** A file whose digest is known as it is stored. */
interface LargeFile {
  readonly path: string
  readonly span: FileSpan
  readonly expected: Digest
}

async function verifyInThreads(
  files: readonly LargeFile[],
  onBytes: (count: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const threads = new HashThreads()
  const length = ({ span }: LargeFile) => span.end - span.start
  // The largest first: one that begins last would keep the others waiting.
  const ordered = files.toSorted((a, b) => length(b) - length(a))
  try {
    await mapLimit(
      ordered,
      threads.atOnce,
      async ({ span, expected, path }, _, others) => {
        assertDigest(await threads.digest(span, digestAlgorithm(expected), onBytes, others), expected, path)
      },
      signal,
    )
  } finally {
    await threads.close()
  }
}

async function otherBlobs(files: ArchiveFiles, layers: ReadonlyMap<string, unknown>): Promise<ArchiveFile[]> {
  const all = await files.list()
  return all.filter(({ path }) => blobDigest(path) !== undefined && !layers.has(path))
}

async function verifyCompressed(
  stored: AsyncIterable<Uint8Array>,
  compression: 'gzip' | 'zstd',
  { path, diffID, descriptor }: LayerDescription,
  limits: ExpansionLimits,
): Promise<void> {
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
