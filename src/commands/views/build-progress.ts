import type { BuildImageEvent } from '../../operations/build/build-image.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import type { Progress, ProgressMode } from '../../terminal/progress.ts'
import type { Streams } from '../../terminal/streams.ts'

/** A context this large is mostly a mistake: what makes it so is named. */
const LARGE_CONTEXT_BYTES = 100 * 1024 * 1024

/**
 * Turns the events of a build into progress. Steps are items; those that ended stay as lines.
 *
 * @param withOutput whether what the steps write is shown; a failure shows the last of it anyway
 */
export function buildView(progress: Progress, withOutput: boolean): (event: BuildImageEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'builder':
        return progress.phase('build')
      case 'context':
        return progress.item('context', 'context', event.bytes, event.done ? event.bytes : undefined)
      case 'context-read':
        return contextLines(event.summary).forEach(progress.line)
      case 'step': {
        const { step, name, state } = event
        const id = `step ${step}`
        if (state === 'started') return progress.step(id, `#${step} ${name}`)
        progress.step(id, `#${step} ${name}`, state)
        return progress.line(`#${step} ${name}${state === 'done' ? '' : `: ${state}`}`)
      }
      case 'log':
        return withOutput ? progress.line(`#${event.step} ${event.text}`) : undefined
      case 'progress': {
        const { step, part, current, total } = event
        return progress.item(`step ${step} ${part}`, `#${step} ${part}`, current, total)
      }
      case 'warning': {
        const where = event.line === undefined ? '' : `line ${event.line}: `
        return progress.line(`warning: ${where}${event.message}`)
      }
    }
  }
}

/** Whether what steps write is shown: a log keeps it, lines that are painted over would only flicker. */
export function showsOutput(mode: ProgressMode, { paintable }: Streams): boolean {
  return mode === 'auto' ? !paintable : mode !== 'tty'
}

type Summary = Extract<BuildImageEvent, { kind: 'context-read' }>['summary']

function contextLines({ files, bytes, largest }: Summary): string[] {
  const total = `context: ${files} ${files === 1 ? 'file' : 'files'}, ${humanBytes(bytes)}`
  if (bytes < LARGE_CONTEXT_BYTES) return [total]
  return [total, ...largest.map(({ path, bytes: size }) => `  ${humanBytes(size)}  ${path}`)]
}
