import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'
import { countedBytes } from '../internal/counted-bytes.ts'
import { archiveInvalid, quoteName } from './archive-error.ts'
import type { ArchiveFiles } from './archive-files.ts'
import type { ArchiveLayer, LayerDescription, OpenedArchive } from './archive-image.ts'
import { MAGIC_BYTES, sniffCompression } from './compression.ts'
import { readDockerSave, SAVE_MANIFEST } from './docker-save.ts'
import { openFile, statIfThere } from './file-access.ts'
import { type ChunkBuffers, chunkBuffers, fileRange, readAt } from './file-range.ts'
import { FolderFiles } from './folder-files.ts'
import { layerContentSize } from './layer-content-size.ts'
import { INDEX_FILE, LAYOUT_FILE } from './layout-names.ts'
import { readLayout } from './oci-layout.ts'
import { type Spooled, type SpoolOptions, spoolTar } from './spool.ts'
import { openTarFiles } from './tar-files.ts'
import { untilAborted, verified, verifiedUncompressed, withoutFirst } from './verified-content.ts'
import { verifyArchive } from './verify-archive.ts'

export interface OpenArchiveOptions {
  readonly signal?: AbortSignal
  /** Bytes that were gone through while the archive was opened, and all of them where that is known. */
  readonly onProgress?: (bytes: number, total: number | undefined) => void
  /** Where an archive that cannot be read in place is kept meanwhile, and how large it may become. */
  readonly spool?: Omit<SpoolOptions, 'signal'>
}

/**
 * Opens a docker-save archive or an OCI layout: a tar, plain or compressed (gzip, zstd, xz, bzip2), or a layout's
 * folder. A plain tar is indexed by its headers and read where it lies; a compressed one is decompressed to a
 * nameless temporary file first. Configs and manifests are verified here, layers while they are read. Close it
 * when done.
 *
 * @throws ImgctlError FILE_NOT_FOUND, FILE_UNREADABLE, ARCHIVE_INVALID, DIGEST_MISMATCH, TOO_LARGE, DISK_FULL,
 *   UNSUPPORTED (see decompressed)
 */
export async function openArchive(path: string, options: OpenArchiveOptions = {}): Promise<OpenedArchive> {
  return opened(await openFiles(path, options))
}

/** As `openArchive`, for an archive that passes once: all of it is kept in a nameless temporary file. */
export async function openArchiveStream(
  stream: AsyncIterable<Uint8Array>,
  options: OpenArchiveOptions = {},
): Promise<OpenedArchive> {
  const { head, all } = await peek(stream, MAGIC_BYTES)
  if (head.length === 0) throw archiveInvalid('there is nothing in it')
  const spooled = await spoolTar(
    counted(all, undefined, options),
    sniffCompression(head),
    spoolOptions(options),
  )
  return opened(await openTarFiles(spooled.handle, spooled.size, signalOf(options)))
}

async function opened(files: ArchiveFiles): Promise<OpenedArchive> {
  try {
    const kind = await archiveKind(files)
    const described = await (kind === 'docker-save' ? readDockerSave(files) : readLayout(files))
    const images = described.map(({ layers, ...image }) => ({
      ...image,
      layers: layers.map((layer) => readableLayer(files, layer)),
    }))
    return {
      kind,
      images,
      verify: (options = {}) => verifyArchive(files, described, options),
      ...(await files.asTar()),
      close: () => files.close(),
    }
  } catch (error) {
    await files.close()
    throw error
  }
}

async function openFiles(path: string, options: OpenArchiveOptions): Promise<ArchiveFiles> {
  const stats = await statIfThere(path, path)
  if (stats === undefined) {
    throw new ImgctlError('FILE_NOT_FOUND', `there is no file or folder ${quoteName(path)}`)
  }
  if (stats.isDirectory()) return new FolderFiles(path)
  const handle = await openFile(path, path)
  let tar: Spooled
  try {
    tar = await plainTar(handle, path, options)
  } catch (error) {
    await handle.close()
    throw error
  }
  if (tar.handle === handle) return openTarFiles(handle, tar.size, options)
  await handle.close()
  return openTarFiles(tar.handle, tar.size, signalOf(options))
}

/** The file itself, or what a compressed one decompresses to. */
async function plainTar(handle: FileHandle, path: string, options: OpenArchiveOptions): Promise<Spooled> {
  const stats = await handle.stat()
  if (!stats.isFile()) {
    throw new ImgctlError('FILE_UNREADABLE', `${quoteName(path)} is not a regular file`, {
      hint: 'write the archive to a file first',
    })
  }
  if (stats.size === 0) throw archiveInvalid('the file is empty')
  const compression = sniffCompression(await readAt(handle, 0, MAGIC_BYTES))
  if (compression === 'none') return { handle, size: stats.size }
  const bytes = counted(fileRange(handle, 0, stats.size), stats.size, options)
  return spoolTar(bytes, compression, spoolOptions(options))
}

function spoolOptions(options: OpenArchiveOptions): SpoolOptions {
  return { ...options.spool, ...signalOf(options) }
}

function signalOf({ signal }: OpenArchiveOptions): { readonly signal?: AbortSignal } {
  return signal ? { signal } : {}
}

/** The first bytes of a stream (fewer when it is shorter), and all of it. */
async function peek(
  stream: AsyncIterable<Uint8Array>,
  length: number,
): Promise<{ readonly head: Uint8Array; readonly all: AsyncIterable<Uint8Array> }> {
  const chunks = stream[Symbol.asyncIterator]()
  let head: Uint8Array = new Uint8Array(0)
  while (head.length < length) {
    const { done, value } = await chunks.next()
    if (done) break
    head = Buffer.concat([head, value])
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    yield head
    yield* { [Symbol.asyncIterator]: () => chunks }
  }
  return { head, all: all() }
}

function counted(
  chunks: AsyncIterable<Uint8Array>,
  size: number | undefined,
  { onProgress }: OpenArchiveOptions,
): AsyncIterable<Uint8Array> {
  return onProgress ? countedBytes(chunks, (bytes) => onProgress(bytes, size)) : chunks
}

async function archiveKind(files: ArchiveFiles): Promise<OpenedArchive['kind']> {
  if (await files.find(SAVE_MANIFEST)) return 'docker-save'
  if ((await files.find(INDEX_FILE)) ?? (await files.find(LAYOUT_FILE))) return 'oci-layout'
  throw new ImgctlError(
    'ARCHIVE_INVALID',
    'it holds no image: there is neither manifest.json (docker save) nor index.json (OCI layout)',
    (await looksLikeRootFilesystem(files))
      ? { hint: "this looks like a container's files (docker export); an image is written by docker save" }
      : {},
  )
}

async function looksLikeRootFilesystem(files: ArchiveFiles): Promise<boolean> {
  return (await files.find('etc/passwd')) !== undefined || (await files.find('etc/hostname')) !== undefined
}

function readableLayer(files: ArchiveFiles, layer: LayerDescription): ArchiveLayer {
  return {
    ...layer,
    open: async ({ offset = 0, signal } = {}) =>
      Readable.from(withoutFirst(offset, layerContent(files, layer, signal)), { objectMode: false }),
    chunks: (signal) => layerContent(files, layer, signal, chunkBuffers()),
    contentSize: (signal) => layerContentSize(files, layer, signal),
  }
}

async function* layerContent(
  files: ArchiveFiles,
  { path, storedSize, compression, descriptor, diffID }: LayerDescription,
  signal: AbortSignal | undefined,
  buffers?: ChunkBuffers,
): AsyncGenerator<Uint8Array> {
  const digest = descriptor?.digest ?? (compression === 'none' ? diffID : undefined)
  // A decompressor beside it keeps chunks while it works, a hash does not.
  const stored = files.chunks({ path, size: storedSize }, 0, storedSize, digest && buffers)
  const chunks = untilAborted(signal, stored)
  if (digest) yield* verified(chunks, digest, path)
  else yield* verifiedUncompressed(chunks, compression as 'gzip' | 'zstd', diffID, path)
}
