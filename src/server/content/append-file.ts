import type { Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { BufferGarbage } from '../../internal/buffer-garbage.ts'
import { SyncAhead } from '../../internal/sync-ahead.ts'
import { BufferPool } from './buffer-pool.ts'

/** Large enough that one write moves several network reads. */
const BUFFER_BYTES = 256 * 1024
/** For the next uploads: 4 MB. */
const KEPT_BUFFERS = 16
/** From so many in use on (8 MB) each upload has one, not two: then the disk has work enough while one fills. */
const MANY_BUFFERS = 32
const buffers = new BufferPool(BUFFER_BYTES, KEPT_BUFFERS)
const SYNC_EVERY_BYTES = 32 * 1024 * 1024
/** What an upload that has to wait keeps in memory beside its buffers: two network reads. */
const WAITING_BYTES = 2 * 64 * 1024
/** Network reads of all uploads: V8 would keep them by the hundred megabytes. */
const garbage = new BufferGarbage()

/**
 * Appends a stream to a file and hashes it on the way: the threads of libuv write one buffer while the other one fills and
 * the first is hashed. What has come is written as soon as the write before it is done, however little it is.
 */
export class AppendFile {
  /** Only bytes that the operating system has taken. */
  size: number
  /** A write or sync failed: nobody knows what the file holds. */
  failure: unknown
  readonly #handle: FileHandle
  readonly #hash: Hash | undefined
  readonly #ahead: SyncAhead
  #filling: Buffer | undefined
  #filled = 0
  #writing: Promise<void> | undefined
  /** Of a chunk that waits for room in the buffers. */
  #accepting: Promise<void> | undefined
  #isSynced = true

  constructor(handle: FileHandle, size: number, hash: Hash | undefined) {
    this.#handle = handle
    this.#hash = hash
    this.#ahead = new SyncAhead(handle, SYNC_EVERY_BYTES)
    this.size = size
  }

  /**
   * Copies a chunk: its memory may be used for something else.
   *
   * @returns what to wait for before the next chunk, which fails as writing does; undefined: it may come at once
   */
  write(chunk: Uint8Array): Promise<void> | undefined {
    const rest = this.#fill(chunk)
    if (rest.length === 0) return undefined
    this.#accepting = this.#fillLater(rest)
    return this.#accepting
  }

  /** Brings to disk what came. @throws what a write or sync failed with */
  async end(): Promise<void> {
    await this.#accepting
    while (this.#writing) await this.#writing
    await this.#ahead.settled()
    this.#assertNoFailure()
    if (this.#isSynced) return
    try {
      await this.#handle.datasync()
      this.#isSynced = true
    } catch (error) {
      this.failure ??= error
      throw error
    }
  }

  /** Resolves when nothing is at work: neither write nor sync may meet another file under the same descriptor. */
  async settled(): Promise<void> {
    while (this.#writing) await this.#writing
    await this.#ahead.settled()
  }

  /** @returns what had no room */
  #fill(chunk: Uint8Array): Uint8Array {
    let rest = chunk
    while (rest.length > 0 && this.#filled < BUFFER_BYTES) {
      if (!this.#filling && this.#writing && buffers.inUse >= MANY_BUFFERS) break
      this.#filling ??= buffers.take()
      const part = rest.subarray(0, BUFFER_BYTES - this.#filled)
      this.#filling.set(part, this.#filled)
      this.#filled += part.length
      garbage.usedUp(part.length, buffers.inUse * WAITING_BYTES)
      rest = rest.subarray(part.length)
      if (!this.#writing && this.failure === undefined) this.#writing = this.#writeOut()
    }
    return rest
  }

  async #fillLater(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) {
      await this.#writing
      this.#assertNoFailure()
      rest = this.#fill(rest)
    }
  }

  /** Writes what is there. What came meanwhile is written next. */
  async #writeOut(): Promise<void> {
    const buffer = this.#filling!
    const bytes = buffer.subarray(0, this.#filled)
    this.#filling = undefined
    this.#filled = 0
    this.#isSynced = false
    try {
      const writing = this.#writeAll(bytes)
      this.#hash?.update(bytes)
      await writing
      this.#ahead.wrote(bytes.length)
      this.failure ??= this.#ahead.failure
    } catch (error) {
      this.failure ??= error
    }
    buffers.giveBack(buffer)
    this.#writing = this.#filled > 0 && this.failure === undefined ? this.#writeOut() : undefined
  }

  async #writeAll(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at, this.size)
      this.size += bytesWritten
      at += bytesWritten
    }
  }

  #assertNoFailure(): void {
    this.failure ??= this.#ahead.failure
    if (this.failure !== undefined) throw this.failure
  }
}
