import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** What V8 multiplies its young generation by whenever more survives than it holds: its default, and none. */
const GROW = 2
const STAY = 1

/**
 * Keeps V8's young generation from growing on once it has `bytes` (it doubles, so it may have twice as many less one): under
 * load it grows to 134 MB (Node 24) and stays so. Node takes a limit (`--max-semi-space-size`) only on its command line,
 * but V8 reads the factor of growth anew each time. Where V8 itself makes the generation smaller, it may grow again.
 */
export function limitYoungGeneration(bytes: number): void {
  let factor = GROW
  // Told after each collection, and growth comes with one: so the generation doubles at most once more.
  const observer = new PerformanceObserver(() => {
    const wanted = youngBytes() < bytes ? GROW : STAY
    if (wanted === factor) return
    factor = wanted
    setFlagsFromString(`--semi-space-growth-factor=${factor}`)
  })
  observer.observe({ entryTypes: ['gc'] })
}

/** Both halves, used or not. */
export function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0
}
