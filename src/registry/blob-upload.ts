import type { Readable } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'
import { backOff } from '../internal/retry.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { WriteOptions } from '../ports/registry.ts'
import type { Checkpoint } from '../ports/upload-journal.ts'
import type { Connection } from './connection.ts'
import { RegistryError } from './errors.ts'
import { asRetryable, isRefusal, isResumable, maySendOn, tooLarge, uploadLost } from './upload-failures.ts'
import { isSessionLost, UploadSession } from './upload-session.ts'

/** What is sent at a time once a streamed upload failed: each part that is confirmed need not be sent again. */
export const CHUNK_BYTES = 16 * 1024 * 1024
/** The smallest body limit that proxies are found with (nginx: 1 MiB). */
export const MIN_CHUNK_BYTES = 1024 * 1024

/** Bytes that can be opened at any offset from `from` on, up to their end. */
export interface UploadSource {
  readonly from: number
  /** The offset after the last byte. */
  readonly end: number
  /** Whether there is nothing of the blob before and after. */
  readonly isWhole: boolean
  open(offset: number): Readable | Promise<Readable>
}

export type UploadOptions = WriteOptions

/**
 * One blob on its way: an upload session, and what to do when it fails. After a failure the session is asked
 * what it has, and the upload goes on from there; a session that is lost is begun anew. Tries are counted
 * while nothing is gained, so a long upload over a bad line ends well, and a hopeless one ends.
 */
export class BlobUpload {
  readonly #connection: Connection
  readonly #options: UploadOptions
  #session: UploadSession
  #offset = 0
  /** What `onBytes` was told in all. */
  #reported = 0
  /** The furthest offset that the registry ever confirmed. */
  #best = 0
  #failures = 0
  #chunk = Number.POSITIVE_INFINITY
  /** Whether the session was begun by an earlier run: what it holds is not known for sure. */
  #isResumed = false
  #isNoted = false
  #timesLost = 0

  private constructor(connection: Connection, session: UploadSession, options: UploadOptions) {
    this.#connection = connection
    this.#session = session
    this.#options = options
  }

  /**
   * Runs one upload from the session's opening to its end. A session that an earlier run left is gone on with. What
   * fails for good is cancelled; what a later run may go on with stays.
   */
  static async run(
    connection: Connection,
    options: UploadOptions,
    action: (upload: BlobUpload, earlier: readonly Checkpoint[]) => Promise<void>,
  ): Promise<void> {
    const saved = await options.record?.take()
    const earlier = saved && UploadSession.resume(connection, saved, options.signal)
    const position = await earlier?.position()
    const isUsable = earlier !== undefined && position !== undefined && position > 0
    if (saved && !isUsable) await options.record?.clear()
    const session = isUsable ? earlier : await UploadSession.open(connection, options.signal)
    const upload = new BlobUpload(connection, session, options)
    if (isUsable) upload.#resumeAt(position)
    try {
      await action(upload, isUsable ? saved!.checkpoints : [])
      await options.record?.clear()
    } catch (error) {
      if (!upload.#isWorthKeeping(error)) {
        await options.record?.clear()
        await upload.#session.cancel()
      }
      throw error
    }
  }

  get minChunk(): number {
    return this.#session.minChunk
  }

  /** Notes the session for a later run, with what it has been sent when the next part is through. */
  async note(checkpoints: readonly Checkpoint[]): Promise<void> {
    const { record } = this.#options
    if (!record) return
    this.#isNoted = true
    await record.save({ url: this.#session.url, minChunk: this.#session.minChunk, checkpoints })
  }

  /** Whether the registry lacks some of the source. */
  isBehind(source: UploadSource): boolean {
    return this.#offset < source.end
  }

  /** Leaves what an earlier run sent. @throws ImgctlError UPLOAD_LOST when the first bytes have passed */
  startOver(source: UploadSource): Promise<void> {
    return this.#beginAnew(source)
  }

  /** Sends until the registry has everything up to the source's end. */
  async send(source: UploadSource): Promise<void> {
    while (this.#offset < source.end) {
      const length = Math.min(source.end - this.#offset, this.#partBytes())
      try {
        await this.#sendPart(source, length)
      } catch (error) {
        if (error instanceof RegistryError && error.status === 413) this.#shrink(error, length)
        else if (isSessionLost(error) && this.#timesLost++ > 0) throw error
        else await this.#pause(error)
        await this.#locate(source)
      }
    }
  }

  /** Makes the blob of what was sent. False: some of it is missing, send it again. */
  async commit(blob: Pick<Descriptor, 'digest' | 'size'>, source: UploadSource): Promise<boolean> {
    try {
      await this.#session.commit(blob.digest)
      return true
    } catch (error) {
      if (this.#isResumed && isRefusal(error)) {
        await this.#beginAnew(source)
        return false
      }
      await this.#pause(error)
    }
    if (await this.#isThere(blob)) return true
    await this.#locate(source)
    return false
  }

  async #sendPart(source: UploadSource, length: number): Promise<void> {
    const offset = this.#offset
    const { pace } = this.#connection
    const body = {
      length,
      open: () => {
        // Also when the same request is sent again, after a 401.
        this.#report(offset)
        return source.open(offset)
      },
      onBytes: (bytes: number) => this.#report(this.#reported + bytes),
      ...(pace ? { pace: (bytes: number) => pace(bytes, this.#options.signal) } : {}),
    }
    const isWholeBlob = source.isWhole && length === source.end
    // CNCF distribution (also in Harbor) gives a session up whose PATCH was cut. Where connections are cut by
    // age or volume, only a new one for each chunk gets a large blob through.
    const send = () => this.#session.send(offset, body, { isWholeBlob, closes: this.#isCut })
    await this.#connection.gate.run(send, this.#options.signal)
    this.#arrived(offset + length)
  }

  get #isCut(): boolean {
    return Number.isFinite(this.#chunk) || this.#connection.isCut
  }

  #partBytes(): number {
    const chunk = this.#isCut ? Math.min(this.#chunk, CHUNK_BYTES) : this.#chunk
    const { tuning, bodyLimit } = this.#connection
    return Math.max(Math.min(chunk, tuning.chunkBytes ?? chunk, bodyLimit), this.#session.minChunk)
  }

  #arrived(offset: number): void {
    this.#offset = offset
    this.#report(offset)
    if (offset <= this.#best) return
    this.#best = offset
    this.#failures = 0
  }

  #report(total: number): void {
    if (total !== this.#reported) this.#options.onBytes?.(total - this.#reported)
    this.#reported = total
  }

  /** Waits before the next try, or throws the error when it is of no use. */
  async #pause(error: unknown): Promise<void> {
    this.#failures++
    const again = isResumable(error) ? asRetryable(error) : error
    await backOff(this.#connection.retryPolicy(this.#options.signal), again, this.#failures)
    // Nothing gained by chunks either: a proxy that limits bodies may cut the connection without a 413.
    if (this.#failures > 1) this.#chunk = Math.max(MIN_CHUNK_BYTES, this.#chunk / 4)
    this.#chunk = Math.min(this.#chunk, CHUNK_BYTES)
  }

  /** Something on the way refuses bodies of this size: from now on smaller ones, in the whole repository. */
  #shrink(error: RegistryError, refused: number): void {
    if (refused <= Math.max(MIN_CHUNK_BYTES, this.#session.minChunk)) throw tooLarge(error, refused)
    const smaller = Math.max(MIN_CHUNK_BYTES, Math.min(CHUNK_BYTES, Math.floor(refused / 2)))
    this.#connection.bodyLimit = Math.min(this.#connection.bodyLimit, smaller)
  }

  /** Finds out where to go on, in this session or in a new one. */
  async #locate(source: UploadSource): Promise<void> {
    const position = await this.#session.position()
    const isUsable = position !== undefined && position > 0 && position <= source.end
    if (isUsable && position >= source.from) return this.#arrived(position)
    await this.#beginAnew(source, position !== undefined)
  }

  /** Gives the session up. @throws ImgctlError UPLOAD_LOST when the blob's first bytes cannot be read again */
  async #beginAnew(source: UploadSource, isKnown = true): Promise<void> {
    await this.#options.record?.clear()
    // Sessions are lost where connections are cut: from now on they are short.
    this.#connection.isCut = true
    if (source.from > 0) throw uploadLost(this.#connection.location.host)
    if (isKnown) await this.#session.cancel()
    this.#session = await UploadSession.open(this.#connection, this.#options.signal)
    this.#isResumed = false
    this.#arrived(0)
    if (this.#isNoted) await this.note([])
  }

  #resumeAt(position: number): void {
    this.#isResumed = true
    this.#offset = position
    this.#best = position
    this.#report(position)
  }

  /** Whether a later run can go on with what the registry has: it was noted, and this failure may pass. */
  #isWorthKeeping(error: unknown): boolean {
    if (!this.#isNoted && !this.#isResumed) return false
    const { signal } = this.#options
    if (signal?.aborted) return maySendOn(signal.reason)
    return error instanceof ImgctlError && error.retryable && error.code !== 'UPLOAD_LOST'
  }

  /** A commit whose answer was lost may have been done. */
  async #isThere({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): Promise<boolean> {
    const url = this.#connection.url(`blobs/${digest}`)
    const { signal } = this.#options
    const head = { method: 'HEAD', url, access: { action: 'push' }, signal } as const
    return this.#connection.retried(head, async (answer) => {
      await answer.discard()
      return answer.status === 200 && Number(answer.header('content-length')) === size
    })
  }
}
