import type { FileHandle } from 'node:fs/promises'
import { type ArchiveFile, ArchiveFiles, type FilesAsTar } from './archive-files.ts'
import { FileBytes } from './file-bytes.ts'
import { type ChunkBuffers, chunkBuffers, fileRange } from './file-range.ts'
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
  for await (const entry of walkTar(new FileBytes(handle, size))) {
    signal?.throwIfAborted()
    index.add(entry)
    if (entry.type === 'file') onProgress?.(entry.offset + entry.size, size)
  }
  return index
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

  override async asTar(): Promise<FilesAsTar> {
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
    const { offset } = this.#index.find(path)!
    yield* fileRange(this.#handle, offset + start, offset + Math.min(end, size), buffers)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
