import { formatPlatform } from '../../oci/platform.ts'
import type { PullEvent, Pulled } from '../../operations/pull/pull-image.ts'
import type { Progress } from '../../terminal/progress.ts'
import type { RecordView } from '../../terminal/records.ts'

/** What a layer is done with, as docker says it. */
const FINISHED: readonly string[] = ['Pull complete', 'Already exists']

/** Turns the events of a pull into progress: layers as items, and the lines that stay as docker writes them. */
export function pullView(progress: Progress): (event: PullEvent) => void {
  return (event) => {
    if (event.type === 'begin') {
      progress.line(`Pulling ${event.reference}`)
      return progress.phase('pull')
    }
    if (event.type === 'note') return progress.line(event.message)
    if (event.type === 'bytes') return progress.item('archive', 'image', event.done, event.total)
    const { layer, status, current, total } = event.progress
    // The engine's first message is about the image.
    if (status.startsWith('Pulling from')) return
    const isDone = FINISHED.includes(status)
    progress.item(
      layer,
      layer,
      current ?? (isDone ? (total ?? 0) : 0),
      total ?? (isDone ? 0 : undefined),
      status,
    )
    if (isDone) progress.line(`${layer}: ${status}`)
  }
}

/** What a pull answers in JSON. */
export interface PulledRecord {
  readonly reference: string
  readonly pinned: string
  readonly digest: string
  readonly id: string
  readonly platform: string
  readonly isNew: boolean
}

export function pulledRecord({ reference, pinned, digest, id, platform, isNew }: Pulled): PulledRecord {
  return { reference, pinned, digest, id, platform: formatPlatform(platform), isNew }
}

export const PULLED: RecordView<PulledRecord> = {
  columns: [{ header: 'Pulled', value: ({ pinned }) => pinned }],
  id: ({ pinned }) => pinned,
}
