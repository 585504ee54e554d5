import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { withoutBufferGarbage } from '../internal/buffer-garbage.ts'
import type { Digest } from '../oci/digest.ts'
import { MAX_CONFIG_BYTES } from '../oci/image-config.ts'
import { archiveInvalid, quoteName } from './archive-error.ts'
import type { ArchiveImage, LayerDescription } from './archive-image.ts'
import type { Compression } from './compression.ts'
import { MAGIC_BYTES, sniffCompression } from './compression.ts'
import { readDockerSave } from './docker-save.ts'
import { ExportFiles } from './export-files.ts'
import { StreamBytes } from './stream-bytes.ts'
import { BLOCK, isTarHeader, isZeroBlock } from './tar-header.ts'
import type { TarFile } from './tar-index.ts'
import { walkTar } from './tar-walk.ts'
import { assertDigest } from './verified-content.ts'

/**
 * A layer on its way through an export. Which image and diffID it is follows only at the end, by its path.
 */
export interface PassingLayer {
  readonly path: string
  readonly compression: Compression
  /** Bytes of the body. */
  readonly size: number
  /** What is not read of it is skipped. It works only until `onLayer` is done. */
  readonly body: Readable
}

export type OnLayer = (layer: PassingLayer) => Promise<void>

/**
 * Reads what an engine's export (`docker save`) streams, in one pass and without keeping layers: each is
 * handed to `onLayer` as it passes, before it is known which image it belongs to, since engines send
 * manifest.json last. A layer that several images or positions share passes once.
 *
 * @returns the images; each layer's `path` is that of the PassingLayer. Every layer's bytes were verified.
 * @throws ImgctlError ARCHIVE_INVALID, DIGEST_MISMATCH; what `stream` or `onLayer` failed with, as it is
 */
export async function readDockerExport(
  stream: Readable,
  onLayer: OnLayer,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<ArchiveImage<LayerDescription>[]> {
  const files = new ExportFiles()
  const digests = await readEntries(stream, files, onLayer, signal)
  const images = await readDockerSave(files)
  for (const { path, diffID, descriptor } of images.flatMap(({ layers }) => layers)) {
    const actual = digests.get(path)
    if (actual === undefined) throw archiveInvalid(`${quoteName(path)} is no layer`)
    assertDigest(actual, descriptor?.digest ?? diffID, path)
  }
  return images
}

/** @returns the digest of each layer's stored bytes by path */
async function readEntries(
  stream: Readable,
  files: ExportFiles,
  onLayer: OnLayer,
  signal: AbortSignal | undefined,
): Promise<Map<string, Digest>> {
  const digests = new Map<string, Digest>()
  const bytes = new StreamBytes(stream)
  const abort = () => stream.destroy()
  try {
    signal?.throwIfAborted()
    signal?.addEventListener('abort', abort, { once: true })
    for await (const entry of walkTar(bytes)) {
      files.add(entry)
      if (entry.type !== 'file') continue
      const compression = layerCompression(await bytes.peek(Math.min(BLOCK, entry.size)))
      if (compression !== undefined) {
        files.keep(entry.path, await bytes.peek(Math.min(MAGIC_BYTES, entry.size)))
        digests.set(entry.path, await passOn(bytes, entry, compression, onLayer))
      } else if (entry.size <= MAX_CONFIG_BYTES) {
        files.keep(entry.path, await bytes.read(entry.size))
      }
    }
    return digests
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
    stream.destroy()
  }
}

/** @returns the digest of the layer's bytes, also of those that nobody wanted */
async function passOn(
  bytes: StreamBytes,
  { path, size, offset }: TarFile,
  compression: Compression,
  onLayer: OnLayer,
): Promise<Digest> {
  const hash = createHash('sha256')
  async function* hashed(length: number): AsyncGenerator<Uint8Array> {
    for await (const chunk of withoutBufferGarbage(bytes.chunks(length))) {
      hash.update(chunk)
      yield chunk
    }
  }
  const body = Readable.from(hashed(size), { objectMode: false })
  // An error of the body that nobody listens to comes back below, from `bytes`.
  body.on('error', () => {})
  try {
    await onLayer({ path, compression, size, body })
  } catch (error) {
    body.destroy()
    throw error
  }
  await stopped(body)
  for await (const _ of hashed(offset + size - bytes.position));
  return `sha256:${hash.digest('hex')}`
}

/** Makes sure that nothing more is read through `stream`. */
async function stopped(stream: Readable): Promise<void> {
  if (stream.closed) return
  const closed = once(stream, 'close').catch(() => {})
  stream.destroy()
  await closed
}

/**
 * How a layer that starts with `head` is compressed; undefined when it is no layer (JSON, a version file).
 */
export function layerCompression(head: Uint8Array): Compression | undefined {
  const compression = sniffCompression(head)
  if (compression === 'gzip' || compression === 'zstd') return compression
  // A layer without entries is a tar of zeros.
  return head.length === BLOCK && (isTarHeader(head) || isZeroBlock(head)) ? 'none' : undefined
}
