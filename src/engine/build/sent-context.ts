import { Readable } from 'node:stream'
import type { BuildEvent } from '../../ports/engine-build.ts'
import { ContextProgress } from './context-progress.ts'

/** A build context on its way to the engine as a tar: counted, and with the error that ended it. */
export class SentContext {
  /** To be sent. */
  readonly body: Readable
  /** The first error of the context itself. */
  failure: unknown
  readonly #context: Readable

  constructor(context: Readable, onEvent: (event: BuildEvent) => void) {
    this.#context = context
    // It may fail before anybody reads it: that must not end the process. Who reads it then is told.
    context.on('error', () => {})
    this.body = Readable.from(this.#counted(new ContextProgress(onEvent)), { objectMode: false })
    // Who sends it is told, and that is enough.
    this.body.on('error', () => {})
  }

  close(): void {
    this.body.destroy()
    this.#context.destroy()
  }

  async *#counted(progress: ContextProgress): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#context as AsyncIterable<Uint8Array>) {
        yield chunk
        progress.add(chunk.length)
      }
      progress.end()
    } catch (error) {
      this.failure = error
      throw error
    }
  }
}
