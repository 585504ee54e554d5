import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'
import { archiveInvalid, quoteName } from './archive-error.ts'
import type { ArchiveFiles } from './archive-files.ts'
import type { ArchiveLayer, LayerDescription, OpenedArchive, OpenLayer } from './archive-image.ts'
import { MAGIC_BYTES, sniffCompression } from './compression.ts'
import { readDockerSave, SAVE_MANIFEST } from './docker-save.ts'
import { openFile, statIfThere } from './file-access.ts'
import { fileRange, readAt } from './file-range.ts'
import { FolderFiles } from './folder-files.ts'
import { INDEX_FILE, LAYOUT_FILE, readLayout } from './oci-layout.ts'
import { type Spooled, type SpoolOptions, spoolGunzipped } from './spool.ts'
import { openTarFiles } from './tar-files.ts'
import { untilAborted, verified, verifiedGunzipped, withoutFirst } from './verified-content.ts'

export interface OpenArchiveOptions {
  readonly signal?: AbortSignal
  /** Bytes of the archive file that were gone through while it was opened, and its size. */
  readonly onProgress?: (bytes: number, total: number) => void
  /** Where a compressed archive is decompressed to. */
  readonly spool?: Omit<SpoolOptions, 'signal'>
}

/**
 * Opens a docker-save archive (a tar, plain or gzip'd), or an OCI layout (a folder, or the same kinds of
 * tar). A plain tar is indexed by its headers and read where it lies; a gzip'd one is decompressed to a
 * nameless temporary file first. Configs and manifests are verified here, layers while they are read. Close
 * it when done.
 *
 * @throws ImgctlError FILE_NOT_FOUND, FILE_UNREADABLE, ARCHIVE_INVALID, DIGEST_MISMATCH, TOO_LARGE, DISK_FULL
 */
export async function openArchive(path: string, options: OpenArchiveOptions = {}): Promise<OpenedArchive> {
  const files = await openFiles(path, options)
  try {
    const kind = await archiveKind(files)
    const described = await (kind === 'docker-save' ? readDockerSave(files) : readLayout(files))
    const images = described.map(({ layers, ...image }) => ({
      ...image,
      layers: layers.map((layer) => readableLayer(files, layer)),
    }))
    return { kind, images, close: () => files.close() }
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
  return openTarFiles(tar.handle, tar.size, options.signal ? { signal: options.signal } : {})
}

/** The file itself, or what a gzip'd one decompresses to. */
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
  if (compression !== 'gzip') {
    throw new ImgctlError('ARCHIVE_INVALID', `the archive is compressed with ${compression}`, {
      hint: `decompress it first: ${compression} -d`,
    })
  }
  const { signal, onProgress, spool } = options
  return spoolGunzipped(counted(handle, stats.size, onProgress), { ...spool, ...(signal ? { signal } : {}) })
}

async function* counted(
  handle: FileHandle,
  size: number,
  onProgress: OpenArchiveOptions['onProgress'],
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of fileRange(handle, 0, size)) {
    yield chunk
    bytes += chunk.length
    onProgress?.(bytes, size)
  }
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
    open: async (options = {}) => Readable.from(layerContent(files, layer, options), { objectMode: false }),
  }
}

function layerContent(
  files: ArchiveFiles,
  { path, storedSize, compression, descriptor, diffID }: LayerDescription,
  { offset = 0, signal }: OpenLayer,
): AsyncIterable<Uint8Array> {
  const stored = untilAborted(signal, files.chunks({ path, size: storedSize }, 0, storedSize))
  return withoutFirst(offset, checked())

  function checked(): AsyncIterable<Uint8Array> {
    if (descriptor) return verified(stored, descriptor.digest, path)
    if (compression === 'gzip') return verifiedGunzipped(stored, diffID, path)
    return verified(stored, diffID, path)
  }
}
