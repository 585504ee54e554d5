import type { Progress, ProgressMode } from './progress.ts'
import { jsonProgress } from './progress-json.ts'
import { paintedProgress } from './progress-painted.ts'
import { plainProgress } from './progress-plain.ts'
import type { Streams } from './streams.ts'

/** `auto`: painted on a terminal outside CI, plain lines otherwise. `none` shows nothing, lines neither. */
export function createProgress(mode: ProgressMode, streams: Streams, now: () => number = Date.now): Progress {
  switch (mode === 'auto' ? (streams.paintable ? 'tty' : 'plain') : mode) {
    case 'tty':
      return paintedProgress(streams, now)
    case 'plain':
      return plainProgress(streams.stderr, now)
    case 'json':
      return jsonProgress(streams.stderr, now)
    case 'none':
      return SILENT
  }
}

const SILENT: Progress = {
  phase() {},
  item() {},
  step() {},
  line() {},
  success() {},
  event() {},
  finish() {},
}
