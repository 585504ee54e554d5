import { archiveInvalid, quoteName } from './archive-error.ts'
import { type ArchiveFile, ArchiveFiles, MAX_DOCUMENT_BYTES } from './archive-files.ts'
import { TarIndex } from './tar-index.ts'
import type { TarEntry } from './tar-walk.ts'

/** What is kept of an export that passes by: its index, documents whole, and of layers the first bytes. */
export class ExportFiles extends ArchiveFiles {
  readonly #index = new TarIndex()
  readonly #kept = new Map<string, Uint8Array>()
  #keptBytes = 0

  /** @throws ImgctlError ARCHIVE_INVALID, see TarIndex */
  add(entry: TarEntry): void {
    // No engine writes one, and its bytes pass as they are stored.
    if (entry.type === 'file' && entry.sparse)
      throw archiveInvalid(`entry ${quoteName(entry.path)} is stored sparse`)
    this.#index.add(entry)
  }

  /** @throws ImgctlError ARCHIVE_INVALID when documents become too many to keep */
  keep(path: string, bytes: Uint8Array): void {
    this.#keptBytes += bytes.length
    if (this.#keptBytes > MAX_DOCUMENT_BYTES) {
      throw archiveInvalid(`its configs and manifests have more than ${MAX_DOCUMENT_BYTES} bytes`)
    }
    // A copy: `bytes` may be a part of a chunk that held much more.
    this.#kept.set(path, Uint8Array.from(bytes))
  }

  async find(path: string): Promise<ArchiveFile | undefined> {
    return this.#index.find(path)
  }

  async list(): Promise<ArchiveFile[]> {
    return this.#index.files()
  }

  async *chunks({ path, size }: ArchiveFile, start: number, end: number): AsyncIterable<Uint8Array> {
    const kept = this.#kept.get(path)
    if (kept === undefined || Math.min(end, size) > kept.length) {
      throw archiveInvalid(`${quoteName(path)} is neither a config nor a manifest`)
    }
    yield kept.subarray(start, end)
  }

  async close(): Promise<void> {}
}
