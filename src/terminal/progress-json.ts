import type { Progress, ProgressEvent } from './progress.ts'
import { Tally } from './progress-tally.ts'
import type { Output } from './streams.ts'

/** A reader needs no more of one item; its end is always written. */
const ITEM_INTERVAL_MS = 1_000

/** One JSON object per line, as `ProgressEvent` describes them. */
export function jsonProgress(output: Output, now: () => number): Progress {
  const items = new Map<string, { at: number; status: string | undefined; done: number }>()
  const tally = new Tally(now)
  let toldAt = 0
  const tellTotal = () => {
    const { done, total, rate, etaMs } = tally.state
    if (now() - toldAt < ITEM_INTERVAL_MS || rate === 0) return
    toldAt = now()
    write({
      event: 'progress',
      done,
      ...(total === undefined ? {} : { total }),
      bytesPerSecond: Math.round(rate),
      ...(etaMs === undefined ? {} : { etaSeconds: Math.round(etaMs / 100) / 10 }),
    })
  }
  const write = (event: ProgressEvent | Readonly<Record<string, unknown>>) =>
    output.write(`${JSON.stringify(event)}\n`)
  return {
    phase(phase, { total } = {}) {
      items.clear()
      tally.start(phase, total)
      toldAt = now()
      write({ event: 'phase', phase, ...(total === undefined ? {} : { total }) })
    },
    item(id, label, done, total, status) {
      const before = items.get(id)
      tally.update({ id, label, done, total, status })
      tellTotal()
      const isEnd = done === total && before?.done !== done
      const isNews = !before || before.status !== status || isEnd
      if (!isNews && now() - before.at < ITEM_INTERVAL_MS) return
      items.set(id, { at: now(), status, done })
      const known = { ...(total === undefined ? {} : { total }), ...(status === undefined ? {} : { status }) }
      write({ event: 'item', id, label, done, ...known })
    },
    step: (id, label, status = 'started') => write({ event: 'step', id, label, status }),
    line: (text) => write({ event: 'message', text }),
    success: (text) => write({ event: 'message', text }),
    event: write,
    finish() {},
  }
}
