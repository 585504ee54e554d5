import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collector = (what: { readonly type: 'minor' | 'major'; readonly flavor?: 'last-resort' }) => void

let exposed: Collector | undefined

/** Young garbage: takes less than a millisecond. */
export function collectYoung(): void {
  exposed ??= expose()
  exposed({ type: 'minor' })
}

/** All garbage, code that was needed once with it: takes some 50 ms. */
export function collectAll(): void {
  exposed ??= expose()
  exposed({ type: 'major', flavor: 'last-resort' })
}

/** V8's collector, which JavaScript sees only in a context that was made while the flag was set. */
function expose(): Collector {
  // So little is collected that waiting for threads to help takes longer than doing it.
  setFlagsFromString('--no-parallel-scavenge')
  // On a busy machine the thread that frees buffers waits for a core while as many are made again.
  setFlagsFromString('--no-concurrent-array-buffer-sweeping')
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('globalThis.gc')
  setFlagsFromString('--no-expose-gc')
  return typeof gc === 'function' ? (what) => gc(what) : () => {}
}
