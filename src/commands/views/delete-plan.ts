import type { DeleteOutcome, PlannedDelete } from '../../operations/delete-images.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import type { RecordView } from '../../terminal/records.ts'

/** An image that is to be deleted, as `--dry-run` prints it. */
export interface PlanRecord {
  readonly id: string
  readonly name: string
  readonly digest: string | null
  /** Bytes. */
  readonly size: number | null
  readonly sharedWith: readonly string[]
}

export function planRecord({ id, name, digest, sizeBytes, sharedWith }: PlannedDelete): PlanRecord {
  return { id, name, digest, size: sizeBytes, sharedWith }
}

export const PLAN_VIEW: RecordView<PlanRecord> = {
  columns: [
    { header: 'Image', value: ({ name }) => name },
    { header: 'Digest', value: ({ digest }) => digest, human: ({ digest }) => digest?.slice(0, 19) ?? '-' },
    {
      header: 'Size',
      value: ({ size }) => size,
      human: ({ size }) => (size === null ? '-' : humanBytes(size)),
      align: 'right',
    },
    { header: 'Content kept by', value: ({ sharedWith }) => sharedWith.join(',') || null },
  ],
  id: ({ id }) => id,
}

/** What became of it, as `--format json` prints it. */
export interface DeletedRecord {
  readonly id: string
  readonly name: string
  readonly digest: string | null
  readonly deleted: boolean
  readonly freedBytes: number
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null
}

export function deletedRecord({ planned, freedBytes, error }: DeleteOutcome): DeletedRecord {
  const { id, name, digest } = planned
  const failure = error && { code: error.code, message: error.message, hint: error.hint ?? null }
  return { id, name, digest, deleted: error === undefined, freedBytes, error: failure ?? null }
}
