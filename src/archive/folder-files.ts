import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { archiveInvalid, quoteName } from './archive-error.ts'
import { type ArchiveFile, ArchiveFiles } from './archive-files.ts'
import { openFile, statIfThere } from './file-access.ts'
import { type ChunkBuffers, fileRange } from './file-range.ts'
import { INDEX_FILE, LAYOUT_FILE } from './layout-names.ts'
import { MAX_ENTRIES } from './tar-index.ts'

const BLOBS = 'blobs'

/**
 * The files of a folder. Links are followed wherever they lead: the folder is the user's own, and build tools
 * make layouts of links (Bazel). Paths come from digests and constants, so they cannot lead out by
 * themselves.
 */
export class FolderFiles extends ArchiveFiles {
  readonly #folder: string

  constructor(folder: string) {
    super()
    this.#folder = folder
  }

  async find(path: string): Promise<ArchiveFile | undefined> {
    const stats = await statIfThere(join(this.#folder, path), path)
    if (stats === undefined) return undefined
    if (!stats.isFile()) throw archiveInvalid(`${quoteName(path)} is not a regular file`)
    return { path, size: stats.size }
  }

  async list(): Promise<ArchiveFile[]> {
    const paths = [LAYOUT_FILE, INDEX_FILE]
    for (const algorithm of await this.#names(BLOBS)) {
      for (const name of await this.#names(`${BLOBS}/${algorithm}`))
        paths.push(`${BLOBS}/${algorithm}/${name}`)
    }
    const files = await Promise.all(paths.map((path) => this.find(path)))
    return files.filter((file) => file !== undefined)
  }

  /** What is in a folder; nothing when it is no folder. */
  async #names(path: string): Promise<string[]> {
    const stats = await statIfThere(join(this.#folder, path), path)
    if (!stats?.isDirectory()) return []
    const names = await readdir(join(this.#folder, path))
    if (names.length > MAX_ENTRIES) throw archiveInvalid(`it has more than ${MAX_ENTRIES} entries`)
    return names.sort()
  }

  async *chunks(
    file: ArchiveFile,
    start: number,
    end: number,
    buffers?: ChunkBuffers,
  ): AsyncIterable<Uint8Array> {
    const handle = await openFile(join(this.#folder, file.path), file.path)
    try {
      yield* fileRange(handle, start, Math.min(end, file.size), buffers)
    } finally {
      await handle.close()
    }
  }

  async close(): Promise<void> {}
}
