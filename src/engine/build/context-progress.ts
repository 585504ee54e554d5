import type { BuildEvent } from '../../ports/engine-build.ts'

/** Often enough for a person to see that something moves. */
const REPORT_INTERVAL_MS = 1000

/** Tells how much of a build context the engine took. */
export class ContextProgress {
  readonly #onEvent: (event: BuildEvent) => void
  #bytes = 0
  #reported = performance.now()

  constructor(onEvent: (event: BuildEvent) => void) {
    this.#onEvent = onEvent
  }

  add(bytes: number): void {
    this.#bytes += bytes
    if (performance.now() - this.#reported < REPORT_INTERVAL_MS) return
    this.#reported = performance.now()
    this.#onEvent({ kind: 'context', bytes: this.#bytes, done: false })
  }

  end(): void {
    this.#onEvent({ kind: 'context', bytes: this.#bytes, done: true })
  }
}
