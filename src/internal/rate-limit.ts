import { setTimeout as sleep } from 'node:timers/promises'

/** Spreads bytes evenly over time, whoever sends them: a rate that several uploads share. */
export class RateLimit {
  readonly #bytesPerSecond: number
  /** When what was let through until now will have gone, milliseconds since 1970. */
  #freeAt = 0

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond
  }

  /** Waits until `bytes` more may go. @throws the signal's reason */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const startsAt = Math.max(Date.now(), this.#freeAt)
    this.#freeAt = startsAt + (bytes / this.#bytesPerSecond) * 1000
    const waitMs = startsAt - Date.now()
    if (waitMs > 0) await sleep(waitMs, undefined, signal ? { signal } : {})
  }
}
