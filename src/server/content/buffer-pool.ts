/** Buffers of one size that are used again and again: new ones would have to be collected, by the hundred megabytes. */
export class BufferPool {
  readonly #bytes: number
  readonly #kept: number
  readonly #free: Buffer[] = []
  #inUse = 0

  /** @param kept so many unused ones wait for the next use; more are left to the collector */
  constructor(bytes: number, kept: number) {
    this.#bytes = bytes
    this.#kept = kept
  }

  get inUse(): number {
    return this.#inUse
  }

  /** What it holds is left over from an earlier use. */
  take(): Buffer {
    this.#inUse++
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes)
  }

  /** By who has no use for it any more, once. */
  giveBack(buffer: Buffer): void {
    this.#inUse--
    if (this.#free.length < this.#kept) this.#free.push(buffer)
  }
}
