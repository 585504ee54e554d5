import type { SaveEvent } from '../../operations/save/events.ts'
import type { Progress } from '../../terminal/progress.ts'

/** Turns the events of a save into progress. @param label names the archive: its file, or `stdout` */
export function saveView(progress: Progress, label: string): (event: SaveEvent) => void {
  return (event) => {
    if (event.type === 'bytes') return progress.item('archive', label, event.done, event.total)
    progress.phase(event.phase, event.total === undefined ? {} : { total: event.total })
  }
}
