import { Readable } from 'node:stream'
import type { BuildEvent } from '../../ports/engine-build.ts'

/** Often enough for a person to see that something moves. */
const REPORT_INTERVAL_MS = 1000

/** The build context on its way to the engine: counted, and with the error that ended it. */
export class SentContext {
  /** To be sent. */
  readonly body: Readable
  /** The first error of the context itself. */
  failure: unknown
  readonly #context: Readable

  constructor(context: Readable, onEvent: (event: BuildEvent) => void) {
    this.#context = context
    // It may fail before anybody reads it, while the engine is still asked for a session: that must not end the
    // process. Who reads it then is told.
    context.on('error', () => {})
    this.body = Readable.from(this.#counted(onEvent), { objectMode: false })
    // Who sends it is told, and that is enough.
    this.body.on('error', () => {})
  }

  close(): void {
    this.body.destroy()
    this.#context.destroy()
  }

  async *#counted(onEvent: (event: BuildEvent) => void): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#told(onEvent)
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  async *#told(onEvent: (event: BuildEvent) => void): AsyncGenerator<Uint8Array> {
    let bytes = 0
    let reported = performance.now()
    for await (const chunk of this.#context as AsyncIterable<Uint8Array>) {
      yield chunk
      bytes += chunk.length
      if (performance.now() - reported < REPORT_INTERVAL_MS) continue
      reported = performance.now()
      onEvent({ kind: 'context', bytes, done: false })
    }
    onEvent({ kind: 'context', bytes, done: true })
  }
}
