import { makeVisible } from '../internal/control-characters.ts'
import type { Progress } from './progress.ts'
import { Tally } from './progress-tally.ts'
import { type Output, successLine } from './streams.ts'

/** A log is read later: more lines than this bury what matters. */
const LINE_INTERVAL_MS = 10_000

/** A line when a phase begins and at most one per 10 s while it lasts; no escape codes. */
export function plainProgress(output: Output, now: () => number): Progress {
  const tally = new Tally(now)
  let printedAt = 0
  const print = () => {
    printedAt = now()
    output.write(`${makeVisible(tally.summary())}\n`)
  }
  return {
    phase(name, { total } = {}) {
      tally.start(name, total)
      print()
    },
    item(id, label, done, total, status) {
      tally.update({ id, label, done, total, status })
      if (now() - printedAt >= LINE_INTERVAL_MS) print()
    },
    step() {},
    line: (text) => output.write(`${makeVisible(text)}\n`),
    success: (text) => output.write(successLine(output, text)),
    event() {},
    finish() {},
  }
}
