import { ImgctlError } from '../errors/error.ts'
import { causesOf, hasSystemCode } from '../internal/system-code.ts'
import { IDLE_CODE } from './idle-watch.ts'

/** One overload may be chance; from this one on the registry is spared. */
const REPEATED = 2
/** Parts that must pass before one more goes at once again: two of each layer that is usually under way. */
const PARTS_TO_RECOVER = 6
const OVERLOADS = [429, 503, 504]
const TIMEOUTS = [IDLE_CODE, 'UND_ERR_HEADERS_TIMEOUT']

/**
 * How many parts of blobs go to a repository at once: as many as there are uploads, until the registry says again and
 * again that it is too much. Then half as many each time, and one more when several have passed.
 */
export class UploadGate {
  readonly #waiting: (() => void)[] = []
  #limit = Number.POSITIVE_INFINITY
  #underWay = 0
  #overloads = 0
  #passed = 0

  /** @throws what `action` throws; the signal's reason when it aborts before there was room */
  async run<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    while (this.#underWay >= this.#limit) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
      signal?.throwIfAborted()
    }
    this.#underWay++
    try {
      const result = await action()
      this.#widen()
      return result
    } catch (error) {
      if (isOverload(error)) this.#narrow()
      throw error
    } finally {
      this.#underWay--
      for (const resume of this.#waiting.splice(0)) resume()
    }
  }

  #narrow(): void {
    this.#passed = 0
    if (++this.#overloads < REPEATED) return
    this.#limit = Math.max(1, Math.floor(Math.min(this.#limit, this.#underWay) / 2))
  }

  #widen(): void {
    if (++this.#passed < PARTS_TO_RECOVER) return
    this.#passed = 0
    this.#limit++
  }
}

function isOverload(error: unknown): boolean {
  if (!(error instanceof ImgctlError)) return false
  if (error.status !== undefined) return OVERLOADS.includes(error.status)
  return causesOf(error).some((cause) => hasSystemCode(cause, ...TIMEOUTS))
}
