import type { PushEvent } from '../../operations/push/events.ts'
import type { Progress } from '../../terminal/progress.ts'
import { buildView } from './build-progress.ts'
import { showState } from './image-record.ts'
import { planRecord } from './push-record.ts'

/** docker's words for what a layer is done with. */
const FINISHED = { pushed: 'Pushed', exists: 'Layer already exists', mounted: 'Mounted' } as const

/** Turns the events of a push into progress: layers as items, and the lines that stay as docker writes them. */
export function pushView(progress: Progress, withBuildOutput: boolean): (event: PushEvent) => void {
  const showBuild = buildView(progress, withBuildOutput)
  const finished = new Set<string>()
  return (event) => {
    if (event.type === 'source' || event.type === 'pushed') {
      const { type, ...fields } = event
      progress.event({ event: type, ...fields })
    }
    if (event.type === 'plan') progress.event({ event: 'plan', plan: planRecord(event.plan) })
    switch (event.type) {
      case 'phase':
        return progress.phase(event.phase, event.total === undefined ? {} : { total: event.total })
      case 'repository':
        return progress.line(`The push refers to repository [${event.repository}]`)
      case 'layer': {
        const { label, status, done, total } = event
        progress.item(label, label, done, total, status)
        if (!(status in FINISHED) || finished.has(label)) return
        finished.add(label)
        return progress.line(`${label}: ${FINISHED[status as keyof typeof FINISHED]}`)
      }
      case 'build':
        return showBuild(event.event)
      case 'note':
        return progress.line(event.message)
      case 'state':
        return showState(progress, event.image)
    }
  }
}
