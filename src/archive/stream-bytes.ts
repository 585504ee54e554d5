import { hasSystemCode } from '../internal/system-code.ts'
import { archiveInvalid } from './archive-error.ts'
import type { TarBytes } from './tar-walk.ts'

/** A tar that passes by. At most one chunk of the stream is held, or what was asked for. */
export class StreamBytes implements TarBytes {
  readonly size = undefined
  position = 0
  readonly #chunks: AsyncIterator<Uint8Array>
  #held: Uint8Array = new Uint8Array(0)

  /** `stream` is destroyed by whoever made it. */
  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  /** The next `length` bytes, fewer at the end, without going on. */
  async peek(length: number): Promise<Uint8Array> {
    while (this.#held.length < length) {
      const chunk = await this.#pull()
      if (chunk === undefined) break
      this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    }
    return this.#held.subarray(0, length)
  }

  async read(length: number): Promise<Uint8Array> {
    const bytes = await this.peek(length)
    this.#goOn(bytes.length)
    return bytes
  }

  async skip(length: number): Promise<void> {
    for await (const _ of this.chunks(length));
  }

  /** @throws ImgctlError ARCHIVE_INVALID when there are fewer than `length` bytes */
  async *chunks(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0; ) {
      if (this.#held.length === 0) this.#held = await this.#require()
      const chunk = this.#held.subarray(0, left)
      this.#goOn(chunk.length)
      left -= chunk.length
      yield chunk
    }
  }

  #goOn(length: number): void {
    this.#held = this.#held.subarray(length)
    this.position += length
  }

  async #require(): Promise<Uint8Array> {
    const chunk = await this.#pull()
    if (chunk === undefined) throw archiveInvalid('it is cut short')
    return chunk
  }

  async #pull(): Promise<Uint8Array | undefined> {
    try {
      const { done, value } = await this.#chunks.next()
      return done ? undefined : value
    } catch (error) {
      if (hasSystemCode(error, 'ERR_STREAM_PREMATURE_CLOSE')) throw archiveInvalid('it is cut short', error)
      throw error
    }
  }
}
