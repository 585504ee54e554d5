import { archiveInvalid, quoteName } from './archive-error.ts'
import { type ArchiveFile, ArchiveFiles, MAX_DOCUMENT_BYTES } from './archive-files.ts'
import { followLinks } from './tar-files.ts'

type Passed =
  | { readonly type: 'document'; readonly size: number; readonly bytes: Uint8Array }
  | { readonly type: 'layer'; readonly size: number; readonly bytes: Uint8Array }
  | { readonly type: 'link'; readonly target: string }

/** What is kept of an export that passed by: documents, links, and of each layer its first bytes. */
export class ExportFiles extends ArchiveFiles {
  readonly #passed = new Map<string, Passed>()
  #keptBytes = 0

  /** @throws ImgctlError ARCHIVE_INVALID when documents become too many to keep */
  addDocument(path: string, bytes: Uint8Array): void {
    this.#keptBytes += bytes.length
    if (this.#keptBytes > MAX_DOCUMENT_BYTES) {
      throw archiveInvalid(`its configs and manifests have more than ${MAX_DOCUMENT_BYTES} bytes`)
    }
    this.#add(path, { type: 'document', size: bytes.length, bytes })
  }

  /** @param head its first bytes, `size` those of the whole */
  addLayer(path: string, size: number, head: Uint8Array): void {
    this.#add(path, { type: 'layer', size, bytes: Uint8Array.from(head) })
  }

  addLink(path: string, target: string): void {
    this.#add(path, { type: 'link', target })
  }

  async find(path: string): Promise<ArchiveFile | undefined> {
    const target = followLinks(path, (at) => {
      const passed = this.#passed.get(at)
      return passed?.type === 'link' ? passed.target : undefined
    })
    const passed = this.#passed.get(target)
    return passed && passed.type !== 'link' ? { path: target, size: passed.size } : undefined
  }

  async *chunks({ path }: ArchiveFile, start: number, end: number): AsyncIterable<Uint8Array> {
    const passed = this.#passed.get(path)
    if (passed === undefined || passed.type === 'link' || Math.min(end, passed.size) > passed.bytes.length) {
      throw archiveInvalid(`${quoteName(path)} is neither a config nor a manifest`)
    }
    yield passed.bytes.subarray(start, end)
  }

  async close(): Promise<void> {}

  #add(path: string, passed: Passed): void {
    if (this.#passed.has(path)) throw archiveInvalid(`entry ${quoteName(path)} is there twice`)
    this.#passed.set(path, passed)
  }
}
