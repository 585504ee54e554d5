import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileWhole } from '../internal/durable-file.ts'
import { withProcessLock } from '../internal/process-lock.ts'
import { hasSystemCode } from '../internal/system-code.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobCache, KnownBlob, LearnedPush } from '../ports/blob-cache.ts'
import { addBlob, type CachedBlob, type CacheEntries, formatEntries, parseEntries } from './cache-entries.ts'
import { Documents } from './documents.ts'
import { signingKey } from './signing-key.ts'

/** What is learned is not worth more of a user's time. */
const LOCK_WAIT_MS = 10_000
/** Until then an entry that is used again is not written again: most pushes change nothing. */
const TOUCH_AFTER_MS = 24 * 3_600_000

export interface BlobCacheOptions {
  readonly folder: string
  /** Where the key is that signs the entries. */
  readonly keyFile: string
  readonly now?: () => number
  /** Told what is wrong with the cache; nobody has to do anything about it. */
  readonly onProblem?: (message: string) => void
}

/** The blob cache in a folder: `blobs.json`, and the documents beside it. What cannot be read is not there. */
export class FileBlobCache implements BlobCache {
  readonly documents: Documents
  readonly #file: string
  readonly #options: BlobCacheOptions
  readonly #now: () => number
  #loaded: Promise<CacheEntries> | undefined

  constructor(options: BlobCacheOptions) {
    this.#options = options
    this.#file = join(options.folder, 'blobs.json')
    this.documents = new Documents(join(options.folder, 'documents'))
    this.#now = options.now ?? Date.now
  }

  async find(diffID: Digest, registry: string): Promise<KnownBlob[]> {
    this.#loaded ??= this.entries()
    const blobs = (await this.#loaded).get(diffID) ?? []
    const prefix = `${registry}/`
    return blobs.map(({ descriptor, seenIn }) => ({
      descriptor,
      repositories: seenIn
        .filter((place) => place.startsWith(prefix))
        .map((place) => place.slice(prefix.length)),
    }))
  }

  document(digest: Digest): Promise<Uint8Array | undefined> {
    return this.documents.read(digest)
  }

  async remember({ registry, repository, blobs, image }: LearnedPush): Promise<void> {
    const place = `${registry}/${repository}`
    const now = this.#now()
    try {
      for (const bytes of image?.documents ?? []) await this.documents.write(bytes, now)
      this.#loaded ??= this.entries()
      const known = await this.#loaded
      const made = [...blobs, ...(image ? [[image.config, image.manifest] as const] : [])]
      const news = made.filter(([diffID, { digest }]) => isNews(known.get(diffID), digest, place, now))
      if (news.length === 0) return
      await this.change((entries) => {
        for (const [diffID, descriptor] of news) addBlob(entries, diffID, descriptor, place, now)
      })
    } catch (error) {
      this.#options.onProblem?.(`the blob cache was not written: ${text(error)}`)
    }
  }

  /**
   * Reads the file, changes it and writes it back, while no other process does.
   *
   * @throws system errors, and a TimeoutError when the others took too long
   */
  async change(change: (entries: Map<Digest, readonly CachedBlob[]>) => void): Promise<void> {
    const key = await signingKey(this.#options.keyFile)
    const write = async () => {
      const entries = new Map<Digest, readonly CachedBlob[]>(await this.entries())
      change(entries)
      if (entries.size === 0) await rm(this.#file, { force: true })
      else await writeFileWhole(this.#file, formatEntries(entries, key))
      this.#loaded = Promise.resolve(entries)
    }
    const locks = join(this.#options.folder, 'locks')
    await withProcessLock(locks, 'blobs', write, AbortSignal.timeout(LOCK_WAIT_MS))
  }

  async entries(): Promise<CacheEntries> {
    let content: string
    try {
      content = await readFile(this.#file, 'utf8')
    } catch (error) {
      if (!hasSystemCode(error, 'ENOENT')) {
        this.#options.onProblem?.(`the blob cache cannot be read: ${text(error)}`)
      }
      return new Map()
    }
    try {
      return parseEntries(content, await signingKey(this.#options.keyFile))
    } catch (error) {
      this.#options.onProblem?.(`the blob cache is taken for empty: ${this.#file}: ${text(error)}`)
      return new Map()
    }
  }

  async remove(): Promise<void> {
    await rm(this.#file, { force: true })
  }

  /** Bytes of the file with the entries. */
  async size(): Promise<number> {
    return stat(this.#file).then(
      ({ size }) => size,
      () => 0,
    )
  }
}

function isNews(
  known: readonly CachedBlob[] | undefined,
  digest: Digest,
  place: string,
  now: number,
): boolean {
  const latest = known?.[0]
  if (latest?.descriptor.digest !== digest || latest.seenIn[0] !== place) return true
  return now - latest.usedAt > TOUCH_AFTER_MS
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
