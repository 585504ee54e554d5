import type { Hash } from 'node:crypto'
import { fdatasync, writev } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { BufferGarbage } from '../../internal/buffer-garbage.ts'

/** Waits in memory per upload while the disk is busy: large enough that one write moves many network reads. */
const BUFFERED_BYTES = 256 * 1024
/** The disk works while bytes still arrive, so that the sync at the end has little left to do. */
const SYNC_EVERY_BYTES = 32 * 1024 * 1024

/** Of all uploads together: network reads that were written, and that V8 would keep by the hundred megabytes. */
const COLLECT_EVERY_BYTES = 16 * 1024 * 1024
const garbage = new BufferGarbage(COLLECT_EVERY_BYTES)

/**
 * Appends a stream to a file and hashes it on the way: the threads of libuv write while this one hashes.
 * `size` counts only bytes that the operating system has taken; when the stream finishes, they are on the disk.
 * It is done with the handle when it closes.
 */
export class AppendFile extends Writable {
  size: number
  readonly #handle: FileHandle
  readonly #hash: Hash | undefined
  #unsynced = 0
  #syncing: Promise<void> | undefined
  /** Linux tells an open file once that its bytes did not reach the disk: whoever hears it must keep it. */
  #syncError: Error | undefined

  constructor(handle: FileHandle, size: number, hash: Hash | undefined) {
    super({ highWaterMark: BUFFERED_BYTES, decodeStrings: false })
    this.#handle = handle
    this.#hash = hash
    this.size = size
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    this.#append([chunk], callback)
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#append(
      chunks.map(({ chunk }) => chunk),
      callback,
    )
  }

  override _final(callback: (error?: Error | null) => void): void {
    // Here, because a file that is opened anew may not be told what went wrong with this one.
    const settle = async () => {
      await this.#syncing
      if (this.#unsynced > 0) await this.#sync()
    }
    settle().then(() => callback(this.#syncError), callback)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // A sync at work must not meet another file under the same descriptor.
    const done = () => callback(error)
    if (this.#syncing) this.#syncing.then(done, done)
    else done()
  }

  #append(chunks: Buffer[], callback: (error?: Error | null) => void): void {
    this.#write(chunks, callback)
    if (this.#hash) for (const chunk of chunks) this.#hash.update(chunk)
  }

  #write(chunks: Buffer[], callback: (error?: Error | null) => void): void {
    writev(this.#handle.fd, chunks, this.size, (error, written) => {
      if (error) return callback(error)
      this.size += written
      garbage.usedUp(written)
      this.#syncInBackground(written)
      const rest = withoutFirst(chunks, written)
      if (this.#syncError) callback(this.#syncError)
      else if (rest.length > 0) this.#write(rest, callback)
      else callback()
    })
  }

  #syncInBackground(written: number): void {
    this.#unsynced += written
    if (this.#unsynced >= SYNC_EVERY_BYTES && !this.#syncing) void this.#sync()
  }

  #sync(): Promise<void> {
    this.#unsynced = 0
    this.#syncing = new Promise((resolve) => {
      fdatasync(this.#handle.fd, (error) => {
        this.#syncError ??= error ?? undefined
        this.#syncing = undefined
        resolve()
      })
    })
    return this.#syncing
  }
}

/** What is left of `chunks` when their first `count` bytes are gone: a write may be partial. */
function withoutFirst(chunks: Buffer[], count: number): Buffer[] {
  let left = count
  let whole = 0
  while (whole < chunks.length && chunks[whole]!.length <= left) left -= chunks[whole++]!.length
  const rest = chunks.slice(whole)
  if (left > 0) rest[0] = rest[0]!.subarray(left)
  return rest
}
