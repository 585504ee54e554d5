import { archiveInvalid, quoteName } from './archive-error.ts'
import type { TarEntry } from './tar-walk.ts'

/** Docker writes four entries per layer: this is room for 200 images of 120 layers. */
export const MAX_ENTRIES = 100_000
/** Layers of docker-save archives link once to another layer; more hops than this go round. */
const MAX_LINK_HOPS = 16

export type TarFile = TarEntry & { readonly type: 'file' }

/** The entries of a tar by path, folders left out. */
export class TarIndex {
  readonly #entries = new Map<string, TarEntry>()
  #count = 0

  /** @throws ImgctlError ARCHIVE_INVALID for a path that is there already, or too many entries */
  add(entry: TarEntry): void {
    if (++this.#count > MAX_ENTRIES) throw archiveInvalid(`it has more than ${MAX_ENTRIES} entries`)
    if (entry.type === 'directory') return
    if (this.#entries.has(entry.path)) throw archiveInvalid(`entry ${quoteName(entry.path)} is there twice`)
    this.#entries.set(entry.path, entry)
  }

  /** The regular files, in the order of the tar. */
  files(): TarFile[] {
    return [...this.#entries.values()].filter((entry) => entry.type === 'file')
  }

  /**
   * The file at `path`, links followed, or undefined.
   *
   * @throws ImgctlError ARCHIVE_INVALID when something else is there, or links go round
   */
  find(path: string): TarFile | undefined {
    let entry = this.#entries.get(path)
    for (let hops = 0; entry?.type === 'link'; hops++) {
      if (hops === MAX_LINK_HOPS) throw archiveInvalid(`the link ${quoteName(path)} goes round in circles`)
      entry = this.#entries.get(entry.target)
    }
    if (entry === undefined) return undefined
    if (entry.type !== 'file') throw archiveInvalid(`${quoteName(entry.path)} is not a regular file`)
    return entry
  }
}
