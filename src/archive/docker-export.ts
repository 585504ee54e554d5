import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { extract, type Header } from 'tar-stream'
import { ImgctlError } from '../errors/error.ts'
import type { Digest } from '../oci/digest.ts'
import { MAX_CONFIG_BYTES } from '../oci/image-config.ts'
import { archiveInvalid, quoteName } from './archive-error.ts'
import type { ArchiveImage, Compression, LayerDescription } from './archive-image.ts'
import { sniffCompression } from './compression.ts'
import { readDockerSave } from './docker-save.ts'
import { entryPath, symlinkTarget } from './entry-path.ts'
import { ExportFiles } from './export-files.ts'
import { HashedEntry } from './hashed-entry.ts'
import { BLOCK, isTarHeader, isZeroBlock } from './tar-header.ts'
import { MAX_ENTRIES } from './tar-index.ts'
import { assertDigest } from './verified-content.ts'

/** A layer on its way through an export. Which image and diffID it is follows only at the end, by its path. */
export interface PassingLayer {
  readonly path: string
  readonly compression: Compression
  /** Bytes of the body. */
  readonly size: number
  /** Read it to its end, or leave it alone: then it is skipped. */
  readonly body: Readable
}

/**
 * Reads what an engine's export (`docker save`) streams, in one pass and without keeping layers: each is handed to
 * `onLayer` as it passes, before it is known which image it belongs to, since engines send manifest.json last. A layer
 * that several images or positions share passes once.
 *
 * @returns the images; each layer's `path` is that of the PassingLayer. Every layer's bytes were verified.
 * @throws ImgctlError ARCHIVE_INVALID, DIGEST_MISMATCH; what `stream` or `onLayer` failed with, as it is
 */
export async function readDockerExport(
  stream: Readable,
  onLayer: (layer: PassingLayer) => Promise<void>,
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
  onLayer: (layer: PassingLayer) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<Map<string, Digest>> {
  const digests = new Map<string, Digest>()
  const entries = extract()
  let failure: { readonly error: unknown } | undefined
  /** The first failure from outside ends everything; what follows from it is not reported. */
  const fail = (error: unknown) => {
    failure ??= { error }
    entries.destroy(new Error('the export failed'))
  }
  const translate = (error: unknown) => {
    if (failure) return failure.error
    return error instanceof ImgctlError ? error : archiveInvalid('it is cut short or not a tar', error)
  }
  const passOn = async (layer: PassingLayer) => {
    try {
      await onLayer(layer)
    } catch (error) {
      fail(error)
      throw error
    }
  }
  const abort = () => fail(signal?.reason)
  signal?.throwIfAborted()
  signal?.addEventListener('abort', abort, { once: true })
  stream.once('error', fail)
  stream.once('close', () => {
    if (!stream.readableEnded) fail(archiveInvalid('it is cut short'))
  })
  stream.pipe(entries as unknown as NodeJS.WritableStream)
  try {
    let count = 0
    for await (const entry of entries) {
      if (++count > MAX_ENTRIES) throw archiveInvalid(`it has more than ${MAX_ENTRIES} entries`)
      await takeEntry(entry.header, new HashedEntry(entry, translate), files, digests, passOn)
    }
    return digests
  } catch (error) {
    throw translate(error)
  } finally {
    signal?.removeEventListener('abort', abort)
    stream.destroy()
  }
}

async function takeEntry(
  { type, name, linkname, size }: Header,
  content: HashedEntry,
  files: ExportFiles,
  digests: Map<string, Digest>,
  onLayer: (layer: PassingLayer) => Promise<void>,
): Promise<void> {
  const path = entryPath(name)
  if (type === 'link') files.addLink(path, entryPath(linkname))
  if (type === 'symlink') files.addLink(path, symlinkTarget(path, linkname))
  if (type !== 'file' && type !== 'contiguous-file') return content.skip()
  const head = await content.head(BLOCK)
  const compression = layerCompression(head)
  if (compression !== undefined) {
    files.addLayer(path, size, head)
    const body = Readable.from(content.chunks(), { objectMode: false })
    await handOut({ path, compression, size, body }, onLayer)
    digests.set(path, content.digest())
  } else if (size <= MAX_CONFIG_BYTES) {
    files.addDocument(path, await content.all())
  } else {
    await content.skip()
  }
}

async function handOut(layer: PassingLayer, onLayer: (layer: PassingLayer) => Promise<void>): Promise<void> {
  const { body, path } = layer
  // When the export fails while nobody listens, readEntries reports it.
  body.on('error', () => {})
  await onLayer(layer)
  if (!body.readableEnded && body.destroyed) {
    throw new ImgctlError('INTERNAL', `layer ${quoteName(path)} was left in the middle`)
  }
  if (!body.readableEnded) await finished(body.resume())
}

/** How a layer that starts with `head` is compressed; undefined when it is no layer (JSON, a version file). */
function layerCompression(head: Uint8Array): Compression | undefined {
  const compression = sniffCompression(head)
  if (compression === 'gzip' || compression === 'zstd') return compression
  // A layer without entries is a tar of zeros.
  return head.length === BLOCK && (isTarHeader(head) || isZeroBlock(head)) ? 'none' : undefined
}
