import type { PushPlan } from '../../operations/push/plan.ts'
import type { Pushed } from '../../operations/push/push-image.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import type { RecordView } from '../../terminal/records.ts'

/** What a push answers in JSON, and what `--metadata-file` holds. Sizes are bytes. */
export interface PushRecord {
  readonly name: string
  /** `HOST/ORG/app:1.0` */
  readonly reference: string
  /** `HOST/ORG/app@sha256:...`: what every tool can pull, whatever becomes of the tag. */
  readonly pinned: string
  readonly digest: string
  readonly mediaType: string
  readonly size: number
  readonly imageSize: number | null
  readonly platform: string | null
  readonly state: string
  readonly id: string
}

export function pushRecord({ image, descriptor }: Pushed): PushRecord {
  const repository = image.reference.slice(0, image.reference.lastIndexOf(':'))
  return {
    name: image.name,
    reference: image.reference,
    pinned: `${repository}@${descriptor.digest}`,
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
    size: descriptor.size,
    imageSize: image.sizeBytes,
    platform: image.platform,
    state: image.state,
    id: image.id,
  }
}

export const PUSHED: RecordView<PushRecord> = {
  columns: [{ header: 'Pushed', value: ({ pinned }) => pinned }],
  id: ({ pinned }) => pinned,
}

export interface PlanRecord {
  readonly transport: string
  readonly why: string
  readonly missingBytes: number
  readonly layers: readonly {
    readonly diffID: string
    /** Of the blob that it is or became at an earlier push; null: it was never made. */
    readonly digest: string | null
    readonly size: number | null
    readonly exists: boolean
    /** The repository that it may be mounted from. */
    readonly mountFrom: string | null
  }[]
}

export function planRecord({ transport, why, missingBytes, layers }: PushPlan): PlanRecord {
  return {
    transport,
    why,
    missingBytes,
    layers: layers.map(({ diffID, descriptor, exists, mountFrom }) => ({
      diffID,
      digest: descriptor?.digest ?? null,
      size: descriptor?.size ?? null,
      exists,
      mountFrom: mountFrom[0] ?? null,
    })),
  }
}

export const PLAN: RecordView<PlanRecord> = {
  columns: [
    { header: 'Transport', value: ({ transport }) => transport },
    { header: 'Why', value: ({ why }) => why },
    { header: 'Layers', value: ({ layers }) => layers.length },
    { header: 'Missing', value: ({ layers }) => layers.filter(({ exists }) => !exists).length },
    {
      header: 'Bytes at most',
      value: ({ missingBytes }) => missingBytes,
      human: ({ missingBytes }) => humanBytes(missingBytes),
    },
  ],
  id: ({ transport }) => transport,
}
