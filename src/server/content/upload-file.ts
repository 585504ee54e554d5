import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ImgctlError, isCode } from '../../errors/error.ts'
import { syncFile } from '../../internal/durable-file.ts'
import { type Digest, type DigestAlgorithm, digestAlgorithm } from '../../oci/digest.ts'
import { AppendFile } from './append-file.ts'
import { fromFileError } from './file-errors.ts'

export interface StoredBlob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

/** Gives a complete, durable file its name as a blob, and runs `keep` before anything can remove it. */
export type Adopt = <T>(file: string, blob: StoredBlob, keep: (blob: StoredBlob) => Promise<T>) => Promise<T>

/** An upload in exclusive use. */
export interface Upload {
  /** Bytes received so far: where the next append begins. */
  readonly size: number
  /**
   * Appends a stream. When it breaks off, what came before stays and the next append goes on there.
   *
   * @param maxBytes of the whole upload; more is TOO_LARGE, and the rest of the stream is not read
   * @throws ImgctlError TOO_LARGE or DISK_FULL, or what the disk failed with (all end the upload); what the stream
   * failed with; NOT_FOUND when the upload has ended
   */
  append(source: Readable, maxBytes?: number): Promise<void>
  /**
   * Makes the upload a blob; see BlobStore.writeBlob for `keep`.
   *
   * @param digest what the bytes must hash to; undefined: whatever they hash to
   * @throws ImgctlError DIGEST_MISMATCH, which ends the upload; NOT_FOUND when it has ended
   */
  finish<T>(digest: Digest | undefined, keep: (blob: StoredBlob) => Promise<T>): Promise<T>
}

/** The hash of a file's first `bytes` bytes, ready to go on. */
interface RunningHash {
  readonly algorithm: DigestAlgorithm
  readonly hash: Hash
  readonly bytes: number
}

/** Bytes on their way into the file. */
interface Transfer {
  readonly source: Readable
  readonly sink: AppendFile
  lastByteAt: number
}

/** A sender that was silent this long may be replaced by another request for the same upload. */
export const STALLED_MS = 5_000
/** A cut connection is noticed only when what came before was written; a client that goes on comes at once. */
const BUSY_WAIT_MS = 2_000
const REHASH_CHUNK_BYTES = 1024 * 1024

export class UploadFile implements Upload {
  /** Became a blob, was refused, or was removed. */
  ended = false
  readonly #path: string
  readonly #adopt: Adopt
  #size: number
  /** Lost by a restart; then the file is read once at the end. */
  #running: RunningHash | undefined
  #user: Promise<unknown> | undefined
  #transfer: Transfer | undefined
  #lastInTurn: Promise<unknown> = Promise.resolve()

  /** @param algorithm of a file that is empty: hash from the start */
  constructor(path: string, size: number, algorithm: DigestAlgorithm | undefined, adopt: Adopt) {
    this.#path = path
    this.#size = size
    this.#running = algorithm && { algorithm, hash: createHash(algorithm), bytes: 0 }
    this.#adopt = adopt
  }

  get size(): number {
    return this.#transfer?.sink.size ?? this.#size
  }

  /** Where to go on. Waits a moment for a sender at work, who may be gone: then all that arrived counts. */
  async settledSize(): Promise<number> {
    if (this.#transfer) await this.#leaving(BUSY_WAIT_MS)
    return this.size
  }

  /** @throws ImgctlError CONFLICT while another user is at work whose stream has not stalled; NOT_FOUND */
  async use<T>(action: (upload: Upload) => Promise<T>, stalledMs: number): Promise<T> {
    // Again after every wait: of several that waited for the same user, one is first.
    while (this.#user) await this.#replaceUser(stalledMs)
    if (this.ended) throw unknownUpload()
    const mine = action(this)
    this.#user = mine
    try {
      return await mine
    } finally {
      this.#user = undefined
    }
  }

  append(source: Readable, maxBytes = Number.MAX_SAFE_INTEGER): Promise<void> {
    return this.#inTurn(() => this.#append(source, maxBytes))
  }

  finish<T>(digest: Digest | undefined, keep: (blob: StoredBlob) => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#finish(digest, keep))
  }

  /** Breaks off what is being appended, and removes the file. */
  async end(): Promise<void> {
    while (this.#user) {
      this.#transfer?.source.destroy(new ImgctlError('CONFLICT', 'the upload was cancelled'))
      await this.#user.catch(() => {})
    }
    await this.#remove()
  }

  /**
   * Appends and finishes run one after the other, and none when the upload has ended: a file that is open for
   * writing must never become a blob, whose bytes others rely on.
   */
  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const mine = this.#lastInTurn.then(() => {
      if (this.ended) throw unknownUpload()
      return action()
    })
    this.#lastInTurn = mine.catch(() => {})
    return mine
  }

  async #append(source: Readable, maxBytes: number): Promise<void> {
    const running = this.#running
    this.#running = undefined
    const handle = await open(this.#path, 'r+')
    const sink = new AppendFile(handle, this.#size, running?.hash)
    this.#transfer = { source, sink, lastByteAt: Date.now() }
    try {
      await this.#receive(this.#transfer, maxBytes)
    } catch (error) {
      // After a failed write or sync nobody knows what the file holds.
      if (sink.failure !== undefined || isCode(error, 'TOO_LARGE')) await this.#remove()
      throw fromFileError(error)
    } finally {
      await sink.settled()
      this.#size = sink.size
      this.#transfer = undefined
      if (running) this.#running = { ...running, bytes: sink.size }
      await handle.close()
    }
  }

  async #finish<T>(digest: Digest | undefined, keep: (blob: StoredBlob) => Promise<T>): Promise<T> {
    const algorithm = digest ? digestAlgorithm(digest) : (this.#running?.algorithm ?? 'sha256')
    const actual = await this.#digest(algorithm)
    if (digest !== undefined && actual !== digest) {
      await this.#remove()
      throw new ImgctlError('DIGEST_MISMATCH', `the bytes that arrived are ${actual}, not ${digest}`)
    }
    // For what was written before a restart; every append has synced its own bytes.
    await syncFile(this.#path).catch((error) => {
      throw fromFileError(error)
    })
    return this.#adopt(this.#path, { digest: actual, size: this.#size }, (blob) => {
      this.ended = true
      return keep(blob)
    })
  }

  async #remove(): Promise<void> {
    if (this.ended) return
    this.ended = true
    await rm(this.#path, { force: true })
  }

  async #replaceUser(stalledMs: number): Promise<void> {
    const transfer = this.#transfer
    const hasStalled = transfer !== undefined && Date.now() - transfer.lastByteAt >= stalledMs
    if (hasStalled) {
      transfer.source.destroy(new ImgctlError('CONFLICT', 'another request goes on with this upload'))
    }
    const user = this.#user
    // One that was sent away has to bring to disk what arrived, which takes as long as the disk does.
    await this.#leaving(hasStalled ? BUSY_WAIT_MS : Math.min(stalledMs, BUSY_WAIT_MS))
    if (this.#user !== user) return
    throw new ImgctlError('CONFLICT', 'another request is using this upload', {
      retryable: true,
      retryAfter: 1,
    })
  }

  /** Waits for the one at work: one whose connection is gone ends by itself, once what arrived is on disk. */
  async #leaving(milliseconds: number): Promise<void> {
    const patience = new AbortController()
    const left = this.#user?.catch(() => {})
    await Promise.race([left, sleep(milliseconds, undefined, { signal: patience.signal }).catch(() => {})])
    patience.abort()
  }

  /** Resolves when the source ended and all is on disk; when it fails, what came from it is brought there first. */
  #receive(transfer: Transfer, maxBytes: number): Promise<void> {
    const { source, sink } = transfer
    let expected = sink.size
    return new Promise((resolve, reject) => {
      let hasEnded = false
      const end = (failure?: unknown) => {
        if (hasEnded) return
        hasEnded = true
        // Not destroyed: the source may be a request that still gets an answer.
        source.off('data', take).pause()
        sink.end().then(() => (failure === undefined ? resolve() : reject(failure)), reject)
      }
      const take = (chunk: Buffer) => {
        transfer.lastByteAt = Date.now()
        expected += chunk.length
        if (expected > maxBytes) return end(tooLarge(maxBytes))
        const room = sink.write(chunk)
        if (!room) return
        source.pause()
        room.then(() => hasEnded || source.resume(), end)
      }
      if (source.destroyed) return end(closedEarly())
      source.once('end', () => end())
      source.once('error', end)
      source.once('close', () => {
        if (!source.readableEnded) end(closedEarly())
      })
      source.on('data', take)
    })
  }

  async #digest(algorithm: DigestAlgorithm): Promise<Digest> {
    const running = this.#running
    if (running?.algorithm === algorithm && running.bytes === this.#size) {
      return `${algorithm}:${running.hash.copy().digest('hex')}`
    }
    const hash = createHash(algorithm)
    const content = createReadStream(this.#path, { highWaterMark: REHASH_CHUNK_BYTES })
    for await (const chunk of content) hash.update(chunk)
    return `${algorithm}:${hash.digest('hex')}`
  }
}

export function unknownUpload(): ImgctlError {
  return new ImgctlError('NOT_FOUND', 'there is no such upload')
}

function closedEarly(): ImgctlError {
  return new ImgctlError('BAD_REQUEST', 'the connection was closed early')
}

function tooLarge(maxBytes: number): ImgctlError {
  return new ImgctlError('TOO_LARGE', `a blob may have at most ${maxBytes} bytes here`)
}
