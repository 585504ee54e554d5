import { archiveInvalid, quoteName } from './archive-error.ts'
import { type ChunkBuffers, chunkBuffers } from './file-range.ts'
import type { FileSpan } from './hash-threads.ts'
import { tarSize, writeTar } from './tar-write.ts'
import { untilAborted } from './verified-content.ts'

/**
 * Configs and manifests of an archive that may be in memory at once. Two hundred images need 6 MB; without
 * this limit a list that names one large config many times would cost a hundred times the archive's size.
 */
export const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024

/** A regular file of an archive. */
export interface ArchiveFile {
  /** Its path in the archive, links followed. */
  readonly path: string
  /** Bytes. */
  readonly size: number
}

export interface FilesAsTar {
  /** Bytes. */
  readonly tarSize: number
  /** Each chunk is to be used up before the next one is asked for. */
  tar(signal?: AbortSignal): AsyncIterable<Uint8Array>
}

/** The files of an archive by path, whatever holds them: a tar, a folder, an export passing by. */
export abstract class ArchiveFiles {
  #documentBytes = 0

  /**
   * The regular file at `path` (normalized, see entryPath), or undefined.
   *
   * @throws ImgctlError ARCHIVE_INVALID when something else is there, or links go round
   */
  abstract find(path: string): Promise<ArchiveFile | undefined>

  /** Every regular file, links left out; of a folder those of an OCI layout. */
  abstract list(): Promise<ArchiveFile[]>

  /** The file's bytes from `start` up to `end` (not included). @param buffers as for fileRange */
  abstract chunks(
    file: ArchiveFile,
    start: number,
    end: number,
    buffers?: ChunkBuffers,
  ): AsyncIterable<Uint8Array>

  /** Where the file's bytes lie, when they lie in an open file as they are. */
  span(_file: ArchiveFile): FileSpan | undefined {
    return undefined
  }

  /**
   * All of them as one uncompressed tar, and its size. Here a new one is written; what is a tar already answers
   * itself.
   */
  async asTar(): Promise<FilesAsTar> {
    const files = await this.list()
    const contents = (signal?: AbortSignal) => {
      const buffers = chunkBuffers()
      return files.map((file) => ({
        ...file,
        body: () => untilAborted(signal, this.chunks(file, 0, file.size, buffers)),
      }))
    }
    return { tarSize: tarSize(files), tar: (signal) => writeTar(contents(signal)) }
  }

  abstract close(): Promise<void>

  /**
   * @param what names the file's part in the message
   * @throws ImgctlError ARCHIVE_INVALID when there is no file at `path`
   */
  async require(path: string, what: string): Promise<ArchiveFile> {
    const file = await this.find(path)
    if (file === undefined) throw archiveInvalid(`${what} is missing: there is no ${quoteName(path)}`)
    return file
  }

  /** At most `length` bytes from the start of a file. */
  async head(file: ArchiveFile, length: number): Promise<Uint8Array> {
    return collect(this.chunks(file, 0, Math.min(length, file.size)))
  }

  /**
   * A whole file in memory: a config, a manifest.
   *
   * @throws ImgctlError ARCHIVE_INVALID when it is larger than `maxBytes`, or all documents together are too
   *   large
   */
  async document(file: ArchiveFile, maxBytes: number): Promise<Uint8Array> {
    if (file.size > maxBytes) {
      throw archiveInvalid(`${quoteName(file.path)} has ${file.size} bytes, more than ${maxBytes}`)
    }
    this.#documentBytes += file.size
    if (this.#documentBytes > MAX_DOCUMENT_BYTES) {
      throw archiveInvalid(`its configs and manifests have more than ${MAX_DOCUMENT_BYTES} bytes`)
    }
    return collect(this.chunks(file, 0, file.size))
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const collected: Uint8Array[] = []
  for await (const chunk of chunks) collected.push(chunk)
  return Buffer.concat(collected)
}
