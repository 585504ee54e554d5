import type { FileHandle } from 'node:fs/promises'
import { archiveInvalid, quoteName } from './archive-error.ts'
import { type ArchiveFile, ArchiveFiles } from './archive-files.ts'
import { fileRange } from './file-range.ts'
import { type IndexOptions, indexTar, type TarEntry } from './tar-index.ts'

/** Layers of docker-save archives link once to another layer; more hops than this go round. */
const MAX_LINK_HOPS = 16

/**
 * The files of an uncompressed tar. Takes over `handle`: closed with the files, or here when the index fails.
 *
 * @throws ImgctlError ARCHIVE_INVALID, FILE_UNREADABLE
 */
export async function openTarFiles(
  handle: FileHandle,
  size: number,
  options?: IndexOptions,
): Promise<ArchiveFiles> {
  try {
    return new TarFiles(handle, await indexTar(handle, size, options))
  } catch (error) {
    await handle.close()
    throw error
  }
}

class TarFiles extends ArchiveFiles {
  readonly #handle: FileHandle
  readonly #entries: ReadonlyMap<string, TarEntry>

  constructor(handle: FileHandle, entries: ReadonlyMap<string, TarEntry>) {
    super()
    this.#handle = handle
    this.#entries = entries
  }

  async find(path: string): Promise<ArchiveFile | undefined> {
    const target = followLinks(path, (at) => {
      const entry = this.#entries.get(at)
      return entry?.type === 'link' ? entry.target : undefined
    })
    const entry = this.#entries.get(target)
    if (entry === undefined) return undefined
    if (entry.type !== 'file') throw archiveInvalid(`${quoteName(target)} is not a regular file`)
    return { path: target, size: entry.size }
  }

  async *chunks(file: ArchiveFile, start: number, end: number): AsyncIterable<Uint8Array> {
    const entry = this.#entries.get(file.path)
    if (entry?.type !== 'file') throw archiveInvalid(`there is no ${quoteName(file.path)}`)
    yield* fileRange(this.#handle, entry.offset + start, entry.offset + Math.min(end, entry.size))
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/**
 * The path at the end of a chain of links.
 *
 * @throws ImgctlError ARCHIVE_INVALID when the chain goes round
 */
export function followLinks(path: string, linkTarget: (path: string) => string | undefined): string {
  let at = path
  for (let hops = 0; hops <= MAX_LINK_HOPS; hops++) {
    const next = linkTarget(at)
    if (next === undefined) return at
    at = next
  }
  throw archiveInvalid(`the link ${quoteName(path)} goes round in circles`)
}
