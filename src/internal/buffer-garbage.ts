import { collectYoung } from './collector.ts'

/** A collection of young garbage takes less than a millisecond. */
const COLLECT_EVERY_BYTES = 4 * 1024 * 1024

/**
 * Has buffers that were used up collected now and then. Chunks that come from a socket are a little JavaScript each and
 * much memory outside of it, which V8 hardly counts: left alone it keeps 100 MB of them (Node 24) before it looks.
 */
export class BufferGarbage {
  #bytes = 0

  /**
   * To be told of each buffer that nobody needs any more.
   *
   * @param stillNeeded bytes of such buffers that somebody needs still: a collection that finds mostly those moves them to
   * where only a full one looks again
   */
  usedUp(bytes: number, stillNeeded = 0): void {
    this.#bytes += bytes
    if (this.#bytes < Math.max(COLLECT_EVERY_BYTES, stillNeeded)) return
    this.#bytes = 0
    collectYoung()
  }
}

/** Passes chunks on and has the ones that were used up collected now and then. */
export async function* withoutBufferGarbage(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const garbage = new BufferGarbage()
  for await (const chunk of source) {
    yield chunk
    garbage.usedUp(chunk.length)
  }
}
