import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MANIFEST_TYPES } from '../oci/media-types.ts'
import type { CacheInfo, CacheStore, PrunedCache } from '../ports/blob-cache.ts'
import { type BlobCacheOptions, FileBlobCache } from './blob-cache.ts'
import type { CachedBlob, CacheEntries } from './cache-entries.ts'
import { FileUploadJournal } from './upload-journal.ts'

/** What is in the cache's folder, for the one whose folder it is. */
export class FileCacheStore implements CacheStore {
  readonly #folder: string
  readonly #cache: FileBlobCache
  readonly #journal: FileUploadJournal

  constructor(options: BlobCacheOptions) {
    this.#folder = options.folder
    this.#cache = new FileBlobCache(options)
    this.#journal = new FileUploadJournal(join(options.folder, 'uploads'), options.now)
  }

  async info(): Promise<CacheInfo> {
    const [entries, size, documents, uploads] = await Promise.all([
      this.#cache.entries(),
      this.#cache.size(),
      this.#cache.documents.list(),
      this.#journal.list(),
    ])
    const times = [...documents, ...[...entries.values()].flat()].map(({ usedAt }) => usedAt)
    return {
      folder: this.#folder,
      layers: [...entries.values()].filter((blobs) => !isImage(blobs)).length,
      images: [...entries.values()].filter(isImage).length,
      uploads: uploads.length,
      size: size + sum(documents) + sum(uploads),
      oldest: times.length > 0 ? Math.min(...times) : undefined,
    }
  }

  async prune(before: number | undefined): Promise<PrunedCache> {
    const sizeBefore = await this.#cache.size()
    const counts = await this.#pruneEntries(before)
    const isOld = (time: number) => before === undefined || time < before
    const documents = (await this.#cache.documents.list()).filter(({ usedAt }) => isOld(usedAt))
    const uploads = (await this.#journal.list()).filter(({ savedAt }) => isOld(savedAt))
    for (const { path } of [...documents, ...uploads]) await rm(path, { force: true })
    const freed = sizeBefore - (await this.#cache.size()) + sum(documents) + sum(uploads)
    return { ...counts, uploads: uploads.length, freed: Math.max(0, freed) }
  }

  forgetUploads(registry: string): Promise<void> {
    return this.#journal.forget(registry)
  }

  async #pruneEntries(before: number | undefined): Promise<{ layers: number; images: number }> {
    const removed = { layers: 0, images: 0 }
    const known: CacheEntries = await this.#cache.entries()
    // Not for a file without one genuine entry: that goes as a whole.
    if (known.size === 0) {
      if (before === undefined) await this.#cache.remove()
      return removed
    }
    await this.#cache.change((entries) => {
      for (const [diffID, blobs] of entries) {
        const kept = before === undefined ? [] : blobs.filter(({ usedAt }) => usedAt >= before)
        if (kept.length > 0) entries.set(diffID, kept)
        else if (entries.delete(diffID)) removed[isImage(blobs) ? 'images' : 'layers']++
      }
    })
    return removed
  }
}

/** The manifest that a config was in is kept as the layers' blobs are. */
function isImage(blobs: readonly CachedBlob[]): boolean {
  return MANIFEST_TYPES.includes(blobs[0]?.descriptor.mediaType ?? '')
}

function sum(files: readonly { readonly size: number }[]): number {
  return files.reduce((total, { size }) => total + size, 0)
}
