/**
 * How much of a source has gone out, in bytes of the source, while it is compressed on the way. What was read but waits in
 * buffers does not count: else an upload over a slow line looks far ahead of itself.
 */
export class SentShare {
  readonly #onProgress: (bytes: number) => void
  #read = 0
  #made = 0
  #went = 0
  #told = 0

  /** @param onProgress called with the bytes of the source that went out since the last call */
  constructor(onProgress: (bytes: number) => void) {
    this.#onProgress = onProgress
  }

  /** So many bytes of the source were read. */
  read(bytes: number): void {
    this.#read += bytes
  }

  /** Counts what compression makes of them. */
  async *made(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) {
      this.#made += chunk.length
      yield chunk
    }
  }

  /** So many bytes of that went out; fewer than none when they have to be sent again. */
  went(bytes: number): void {
    this.#went += bytes
    const share = this.#made === 0 ? 0 : Math.min(1, this.#went / this.#made)
    const now = Math.floor(this.#read * share)
    if (now !== this.#told) this.#onProgress(now - this.#told)
    this.#told = now
  }
}
