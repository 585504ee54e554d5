import { Readable, type Writable } from 'node:stream'
import { writeChunk } from '../internal/paced-write.ts'

/**
 * The body of a request, written chunk by chunk: the next one is asked for when the one before has left the process.
 * So the source may use one buffer for all of them, and nothing piles up. It works only by being piped, as
 * docker-modem does with bodies.
 */
export class PacedBody extends Readable {
  readonly #source: AsyncIterator<Uint8Array>
  #request: Writable | undefined
  #sourceError: unknown

  constructor(source: AsyncIterable<Uint8Array>) {
    super()
    this.#source = source[Symbol.asyncIterator]()
    // docker-modem destroys the request with it, and the request's error is what the caller sees.
    this.on('error', () => {})
  }

  /** What the source failed with. */
  get sourceError(): unknown {
    return this.#sourceError
  }

  override pipe<T extends NodeJS.WritableStream>(request: T): T {
    this.#request = request as T & Writable
    this.#send(this.#request).catch((error: Error) => this.destroy(error))
    return request
  }

  override _read(): void {}

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#request?.writableFinished === false) this.#request.destroy()
    Promise.resolve(this.#source.return?.()).catch(() => {})
    done(error)
  }

  async #send(request: Writable): Promise<void> {
    for (;;) {
      const { done, value } = await this.#next()
      if (this.destroyed) return
      if (done) break
      await writeChunk(request, value)
    }
    request.end()
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.#source.next()
    } catch (error) {
      this.#sourceError = error
      throw error
    }
  }
}
