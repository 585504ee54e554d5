import type { FileHandle } from 'node:fs/promises'
import { archiveInvalid } from './archive-error.ts'
import { readAt } from './file-range.ts'
import type { TarBytes } from './tar-walk.ts'

/** Headers of small entries stand side by side: one read for several, without reading much of a layer. */
const WINDOW_BYTES = 4096

/** A tar file gone through by position: skipping reads nothing. */
export class FileBytes implements TarBytes {
  readonly size: number
  position = 0
  readonly #handle: FileHandle
  #window: Uint8Array = new Uint8Array(0)
  #windowStart = 0

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle
    this.size = size
  }

  async read(length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, this.size - this.position)
    const start = this.position - this.#windowStart
    if (start < 0 || start + wanted > this.#window.length) {
      this.#window = await readAt(this.#handle, this.position, Math.max(wanted, WINDOW_BYTES))
      this.#windowStart = this.position
    }
    const from = this.position - this.#windowStart
    const bytes = this.#window.subarray(from, from + wanted)
    this.position += bytes.length
    return bytes
  }

  async skip(length: number): Promise<void> {
    if (length > this.size - this.position) throw archiveInvalid('it is cut short')
    this.position += length
  }
}
