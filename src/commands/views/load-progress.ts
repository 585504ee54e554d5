import type { LoadEvent } from '../../operations/load/events.ts'
import type { Progress } from '../../terminal/progress.ts'

type ShownEvent = Exclude<LoadEvent, { type: 'warning' }>

/** Turns the events of a load into progress. @param label names the archive: its file, or `stdin` */
export function loadView(progress: Progress, label: string): (event: ShownEvent) => void {
  return (event) => {
    if (event.type === 'bytes') return progress.item('archive', label, event.done, event.total)
    progress.phase(event.phase, event.total === undefined ? {} : { total: event.total })
  }
}
