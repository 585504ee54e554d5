import { Readable } from 'node:stream'
import { archiveInvalid } from './archive-error.ts'
import type { ArchiveFile, ArchiveFiles } from './archive-files.ts'
import type { LayerDescription } from './archive-image.ts'
import { decompressed } from './decompress.ts'
import { StreamBytes } from './stream-bytes.ts'
import { type TarBytes, type WalkedHeader, walkHeaders } from './tar-walk.ts'
import { untilAborted } from './verified-content.ts'

/** Headers of small files stand side by side. */
const WINDOW_BYTES = 64 * 1024

/**
 * Bytes of the files in a layer: what a classic engine calls its size once it is unpacked. Files count once however
 * many hard links they have, a symbolic link counts as the path it holds, folders count nothing. Of a plain layer
 * only the headers are read, a compressed one is decompressed.
 *
 * @throws ImgctlError ARCHIVE_INVALID when it is no tar
 */
export async function layerContentSize(
  files: ArchiveFiles,
  { path, storedSize, compression }: LayerDescription,
  signal?: AbortSignal,
): Promise<number> {
  const file = { path, size: storedSize }
  if (compression === 'none') return sum(new StoredTar(files, file, signal))
  const stored = untilAborted(signal, files.chunks(file, 0, storedSize))
  const stream = Readable.from(decompressed(stored, compression, path), { objectMode: false })
  try {
    return await sum(new StreamBytes(stream))
  } finally {
    stream.destroy()
  }
}

async function sum(bytes: TarBytes): Promise<number> {
  let total = 0
  for await (const walked of walkHeaders(bytes)) total += contentSize(walked)
  return total
}

function contentSize({ header, extended, size, sparse }: WalkedHeader): number {
  if (sparse) return sparse.size
  if (header.type === 'symlink') return Buffer.byteLength(extended.linkPath ?? header.linkPath)
  return header.type === 'file' ? size : 0
}

/** A tar that lies in an archive, gone through by position. */
class StoredTar implements TarBytes {
  readonly size: number
  position = 0
  readonly #files: ArchiveFiles
  readonly #file: ArchiveFile
  readonly #signal: AbortSignal | undefined
  #window: Uint8Array = new Uint8Array(0)
  #windowStart = 0

  constructor(files: ArchiveFiles, file: ArchiveFile, signal: AbortSignal | undefined) {
    this.#files = files
    this.#file = file
    this.#signal = signal
    this.size = file.size
  }

  async read(length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, this.size - this.position)
    const start = this.position - this.#windowStart
    if (start < 0 || start + wanted > this.#window.length) {
      this.#signal?.throwIfAborted()
      const end = Math.min(this.size, this.position + Math.max(wanted, WINDOW_BYTES))
      this.#window = Buffer.concat(await collect(this.#files.chunks(this.#file, this.position, end)))
      this.#windowStart = this.position
    }
    const from = this.position - this.#windowStart
    this.position += wanted
    return this.#window.subarray(from, from + wanted)
  }

  async skip(length: number): Promise<void> {
    if (length > this.size - this.position) throw archiveInvalid('a layer is cut short')
    this.position += length
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const collected: Uint8Array[] = []
  for await (const chunk of chunks) collected.push(chunk)
  return collected
}
