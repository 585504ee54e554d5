import { createHash } from 'node:crypto'
import type { Checkpoint } from '../ports/upload-journal.ts'

/**
 * The hash of what passes, compared with what an earlier run sent: its session is gone on with only while the bytes are
 * the same.
 */
export class PrefixCheck {
  readonly #hash = createHash('sha256')
  readonly #expected: Checkpoint[]
  #offset = 0

  constructor(expected: readonly Checkpoint[] = []) {
    this.#expected = [...expected]
  }

  /** Where the bytes end that have passed, and their hash. */
  get checkpoint(): Checkpoint {
    return { offset: this.#offset, sha256: this.#hash.copy().digest('hex') }
  }

  /** @returns false when bytes are not those of the earlier run: from then on nothing is compared */
  pass(buffers: readonly Buffer[]): boolean {
    let isSame = true
    for (const buffer of buffers) {
      let rest = buffer
      for (let next = this.#expected[0]; next; next = this.#expected[0]) {
        const upTo = next.offset - this.#offset
        if (upTo > rest.byteLength) break
        this.#add(rest.subarray(0, Math.max(0, upTo)))
        rest = rest.subarray(Math.max(0, upTo))
        this.#expected.shift()
        if (upTo >= 0 && this.checkpoint.sha256 === next.sha256) continue
        isSame = false
        this.#expected.length = 0
      }
      this.#add(rest)
    }
    return isSame
  }

  #add(bytes: Buffer): void {
    this.#hash.update(bytes)
    this.#offset += bytes.byteLength
  }
}
