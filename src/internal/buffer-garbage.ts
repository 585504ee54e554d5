import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** A collection of young garbage takes less than a millisecond. */
const COLLECT_EVERY_BYTES = 4 * 1024 * 1024

/**
 * Passes chunks on and has the ones that were used up collected now and then. Chunks that come from a socket are
 * a little JavaScript each and much memory outside of it, which V8 hardly counts: left alone it keeps 100 MB of
 * them (Node 24) before it looks.
 */
export async function* withoutBufferGarbage(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const collect = youngCollector()
  let bytes = 0
  for await (const chunk of source) {
    yield chunk
    bytes += chunk.length
    if (bytes < COLLECT_EVERY_BYTES) continue
    bytes = 0
    collect()
  }
}

/** V8's collector, which JavaScript sees only in a context that was made while the flag was set. */
function youngCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('globalThis.gc')
  setFlagsFromString('--no-expose-gc')
  return typeof gc === 'function' ? () => gc({ type: 'minor' }) : () => {}
}
