import { shortDigest } from '../../oci/digest.ts'
import type { PruneOutcome } from '../../operations/local/prune-images.ts'
import type { ListedImage } from '../../ports/engine-catalog.ts'
import { humanAge, humanBytes } from '../../terminal/humanize.ts'
import type { RecordView } from '../../terminal/records.ts'
import { NONE } from './local-image.ts'
import { type RemovedRecord, removedRecord } from './removal.ts'

/** An image that a prune deletes, as `--dry-run` prints it. */
export interface PrunedRecord {
  readonly id: string
  readonly names: readonly string[]
  readonly createdAt: string
  /** Bytes, what it shares with other images included. */
  readonly size: number
}

export function prunedRecord({ id, tags, digests, createdAt, size }: ListedImage): PrunedRecord {
  return { id, names: tags.length > 0 ? tags : digests, createdAt, size }
}

/** @param now milliseconds since 1970, for ages */
export function prunePlanView(now: number): RecordView<PrunedRecord> {
  return {
    columns: [
      { header: 'Image', value: ({ names }) => names.join(', ') || NONE },
      { header: 'Image ID', value: ({ id }) => id, human: ({ id }) => shortDigest(id) },
      {
        header: 'Created',
        value: ({ createdAt }) => createdAt,
        human: ({ createdAt }) => humanAge(createdAt, now),
      },
      { header: 'Size', value: ({ size }) => size, human: ({ size }) => humanBytes(size) },
    ],
    id: ({ id }) => id,
  }
}

/** What a prune answers in JSON. */
export interface PruneRecord {
  readonly images: readonly RemovedRecord[]
  readonly reclaimedBytes: number
}

export function pruneRecord(outcomes: readonly PruneOutcome[], reclaimedBytes: number): PruneRecord {
  return { images: outcomes.map((outcome) => removedRecord(outcome.image.id, outcome)), reclaimedBytes }
}
