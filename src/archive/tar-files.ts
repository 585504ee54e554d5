import type { FileHandle } from 'node:fs/promises'
import { ImgctlError } from '../errors/error.ts'
import { type ArchiveFile, ArchiveFiles, type FilesAsTar } from './archive-files.ts'
import { MAX_EXPANSION, UNSUSPICIOUS_BYTES } from './decompress.ts'
import { FileBytes } from './file-bytes.ts'
import { type ChunkBuffers, chunkBuffers, fileRange } from './file-range.ts'
import type { FileSpan } from './hash-threads.ts'
import { sparseRange } from './sparse-range.ts'
import { TarIndex } from './tar-index.ts'
import { walkTar } from './tar-walk.ts'
import { untilAborted } from './verified-content.ts'

export interface IndexOptions {
  readonly signal?: AbortSignal
  /** How far the index has got, and the tar's bytes. */
  readonly onProgress?: (bytes: number, total: number) => void
}

/**
 * The files of an uncompressed tar file. Its headers are read now, a few kilobytes whatever the archive's
 * size; bodies are read where they lie. Takes over `handle`: closed with the files, or here when this fails.
 *
 * @throws ImgctlError ARCHIVE_INVALID, FILE_UNREADABLE
 */
export async function openTarFiles(
  handle: FileHandle,
  size: number,
  options: IndexOptions = {},
): Promise<TarFiles> {
  try {
    return new TarFiles(handle, size, await indexTar(handle, size, options))
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function indexTar(
  handle: FileHandle,
  size: number,
  { signal, onProgress }: IndexOptions,
): Promise<TarIndex> {
  const index = new TarIndex()
  let sparseBytes = 0
  for await (const entry of walkTar(new FileBytes(handle, size))) {
    signal?.throwIfAborted()
    index.add(entry)
    if (entry.type !== 'file') continue
    sparseBytes += entry.sparse?.size ?? 0
    assertBelievable(sparseBytes, size)
    onProgress?.(entry.sparse ? entry.offset : entry.offset + entry.size, size)
  }
  return index
}

/** @throws ImgctlError TOO_LARGE for holes that no image has, and that would take hours to read */
function assertBelievable(size: number, tarSize: number): void {
  if (size <= UNSUSPICIOUS_BYTES || size <= tarSize * MAX_EXPANSION) return
  throw new ImgctlError('TOO_LARGE', `its sparse entries have ${size} bytes, the archive ${tarSize}`, {
    hint: 'it looks like a decompression bomb; if that is right, write the archive without --sparse',
  })
}

class TarFiles extends ArchiveFiles {
  readonly #handle: FileHandle
  readonly #size: number
  readonly #index: TarIndex

  constructor(handle: FileHandle, size: number, index: TarIndex) {
    super()
    this.#handle = handle
    this.#size = size
    this.#index = index
  }

  async find(path: string): Promise<ArchiveFile | undefined> {
    return this.#index.find(path)
  }

  async list(): Promise<ArchiveFile[]> {
    return this.#index.files()
  }

  /** Docker reads no sparse entry of GNU's own form: an archive with one is written anew, holes filled. */
  override span({ path, size }: ArchiveFile): FileSpan {
    const { offset } = this.#index.find(path)!
    return { fd: this.#handle.fd, start: offset, end: offset + size }
  }

  override async asTar(): Promise<FilesAsTar> {
    if (this.#index.files().some(({ sparse }) => sparse)) return super.asTar()
    return {
      tarSize: this.#size,
      tar: (signal) => untilAborted(signal, fileRange(this.#handle, 0, this.#size, chunkBuffers())),
    }
  }

  async *chunks(
    { path, size }: ArchiveFile,
    start: number,
    end: number,
    buffers?: ChunkBuffers,
  ): AsyncIterable<Uint8Array> {
    const { offset, sparse } = this.#index.find(path)!
    if (sparse) yield* sparseRange(this.#handle, sparse, start, Math.min(end, size), buffers)
    else yield* fileRange(this.#handle, offset + start, offset + Math.min(end, size), buffers)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
