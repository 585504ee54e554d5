import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileWhole } from '../internal/durable-file.ts'
import { type Digest, digestBytes, digestHex } from '../oci/digest.ts'

/** A config or a manifest is a few kB. A larger one is read from its source again. */
const MAX_DOCUMENT_BYTES = 1024 * 1024
/** Two for each of the images that one person pushes in a good while. */
const MAX_DOCUMENTS = 1_000
/** What a document's file is called, and what is written becomes one. Whatever else is in the folder is not ours. */
const NAME = /^(?:[0-9a-f]{64,128}\.json|\.[0-9a-f]{64,128}\.json\.[0-9a-f-]{36}\.tmp)$/

export interface DocumentFile {
  readonly path: string
  readonly size: number
  readonly usedAt: number
}

/** Configs and manifests by their digest: one file each, named by what is in it. */
export class Documents {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The bytes that `digest` names, or undefined: a file with other bytes is none. */
  async read(digest: Digest): Promise<Uint8Array | undefined> {
    const bytes = await readFile(this.#path(digest)).catch(() => undefined)
    return bytes && digestBytes(bytes) === digest ? bytes : undefined
  }

  async write(bytes: Uint8Array, now: number): Promise<void> {
    if (bytes.length > MAX_DOCUMENT_BYTES) return
    const digest = digestBytes(bytes)
    if (await this.read(digest)) return void (await this.#touch(digest, now))
    await writeFileWhole(this.#path(digest), bytes)
    await this.#touch(digest, now)
    const files = await this.list()
    for (const { path } of files.slice(0, Math.max(0, files.length - MAX_DOCUMENTS))) {
      await rm(path, { force: true })
    }
  }

  /** Those that were not used for the longest time come first. */
  async list(): Promise<DocumentFile[]> {
    const names = await readdir(this.#folder).catch(() => [])
    const files = await Promise.all(
      names
        .filter((name) => NAME.test(name))
        .map(async (name) => {
          const path = join(this.#folder, name)
          const found = await stat(path).catch(() => undefined)
          return found ? [{ path, size: found.size, usedAt: found.mtimeMs }] : []
        }),
    )
    return files.flat().sort((a, b) => a.usedAt - b.usedAt)
  }

  #path(digest: Digest): string {
    return join(this.#folder, `${digestHex(digest)}.json`)
  }

  async #touch(digest: Digest, now: number): Promise<void> {
    const time = new Date(now)
    await utimes(this.#path(digest), time, time).catch(() => undefined)
  }
}
