import { createHash } from 'node:crypto'
import type { Extract as TarExtract } from 'tar-stream'
import type { Digest } from '../oci/digest.ts'

/** An entry as tar-stream's iteration yields it. */
export type TarStreamEntry = TarExtract extends AsyncIterable<infer Entry> ? Entry : never

/**
 * The body of a tar entry that passes by: its first bytes can be looked at before all of it is read once. A body must
 * be read to its end before the next entry comes, and ending its iteration early would end the whole tar.
 */
export class HashedEntry {
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #translate: (error: unknown) => unknown
  readonly #hash = createHash('sha256')
  #looked: Uint8Array = new Uint8Array(0)

  /** @param translate makes of an error of the tar's stream what the reader of the body is to see */
  constructor(entry: TarStreamEntry, translate: (error: unknown) => unknown) {
    this.#iterator = entry[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
    this.#translate = translate
  }

  /** At most `length` bytes from the start, before anything else was read. */
  async head(length: number): Promise<Uint8Array> {
    while (this.#looked.length < length) {
      const chunk = await this.#next()
      if (chunk === undefined) break
      this.#looked = Buffer.concat([this.#looked, chunk])
    }
    return this.#looked.subarray(0, length)
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    if (this.#looked.length > 0) yield this.#looked
    for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) yield chunk
  }

  async all(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.chunks()) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  async skip(): Promise<void> {
    while ((await this.#next()) !== undefined);
  }

  /** The digest of the whole body, once it was read. */
  digest(): Digest {
    return `sha256:${this.#hash.digest('hex')}`
  }

  async #next(): Promise<Uint8Array | undefined> {
    const step = await this.#iterator.next().catch((error) => {
      throw this.#translate(error)
    })
    if (step.done) return undefined
    this.#hash.update(step.value)
    return step.value
  }
}
