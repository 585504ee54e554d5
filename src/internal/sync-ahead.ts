import type { FileHandle } from 'node:fs/promises'

/** Brings a file to disk while it is written, so that little is left to wait for at the end. One sync at a time. */
export class SyncAhead {
  /**
   * What the first sync failed with that did. A file system tells of a lost write once, and no later sync repeats it:
   * whoever hears it must keep it.
   */
  failure: unknown
  readonly #handle: FileHandle
  readonly #every: number
  #unsynced = 0
  #running: Promise<void> | undefined

  /** @param every bytes after which the next sync begins */
  constructor(handle: FileHandle, every: number) {
    this.#handle = handle
    this.#every = every
  }

  wrote(bytes: number): void {
    this.#unsynced += bytes
    if (this.#running || this.#unsynced < this.#every) return
    this.#unsynced = 0
    this.#running = this.#handle.datasync().then(
      () => this.#ended(),
      (error: unknown) => this.#ended(error),
    )
  }

  /** Resolves when no sync is running: only then the file may be closed. */
  async settled(): Promise<void> {
    await this.#running
  }

  #ended(error?: unknown): void {
    this.failure ??= error
    this.#running = undefined
  }
}
