import { shortDigest } from '../../oci/digest.ts'
import type { HistoryStep } from '../../operations/history/steps.ts'
import { humanAge, humanBytes } from '../../terminal/humanize.ts'
import type { RecordView } from '../../terminal/records.ts'
import { dockerAge, dockerEllipsis, dockerSize, dockerTime } from './docker-words.ts'

export interface HistoryOptions {
  /** Whole ids and instructions. */
  readonly whole: boolean
  /** Ages and short sizes instead of times and bytes. */
  readonly human: boolean
  /** Milliseconds since 1970. */
  readonly now: number
}

/** A step in JSON, the newest first. */
export interface HistoryRecord {
  readonly id: string | null
  readonly created: string | null
  /** As the builder wrote it. */
  readonly createdBy: string
  /** The same as a Dockerfile has it. */
  readonly instruction: string
  readonly comment: string
  /** Bytes of the files that the step added; null when only the compressed size is known. */
  readonly size: number | null
  /** The layer's diffID; null for a step without one. */
  readonly layer: string | null
  /** The layer's compressed blob, and its bytes. */
  readonly digest: string | null
  readonly compressedSize: number | null
  readonly tags: readonly string[]
}

export function historyRecord(step: HistoryStep): HistoryRecord {
  const { id, created, createdBy, instruction, comment, size, layer, tags } = step
  return {
    id: id ?? null,
    created: created ?? null,
    createdBy,
    instruction,
    comment,
    size: size ?? null,
    layer: layer?.diffID ?? null,
    digest: layer?.descriptor?.digest ?? null,
    compressedSize: layer?.descriptor?.size ?? null,
    tags,
  }
}

/** docker's columns. What it calls missing is a step without an image of its own, which is no fault: a dash. */
export function historyView({ whole, human, now }: HistoryOptions): RecordView<HistoryRecord> {
  const shortId = (id: string | null) => (id === null ? '-' : whole ? id : shortDigest(id))
  return {
    columns: [
      { header: 'Image', value: ({ id }) => id, human: ({ id }) => shortId(id) },
      {
        header: 'Created',
        value: ({ created }) => created,
        ...(human ? { human: ({ created }) => (created === null ? '-' : humanAge(created, now)) } : {}),
      },
      {
        header: 'Created by',
        value: ({ createdBy }) => createdBy,
        human: ({ instruction }) => instruction,
        wraps: whole,
      },
      {
        header: 'Size',
        value: ({ size }) => size,
        human: (record) => shownSize(record, human ? humanBytes : String),
      },
      { header: 'Comment', value: ({ comment }) => comment, human: shownComment },
    ],
    id: ({ id }) => dockerId(id, whole),
  }
}

/** BuildKit writes this into every step; it says no more than the missing `# buildkit`. */
const BUILDKIT_COMMENT = 'buildkit.dockerfile.v0'

function shownComment({ comment }: HistoryRecord): string {
  return comment === BUILDKIT_COMMENT ? '' : comment
}

function shownSize({ size, compressedSize }: HistoryRecord, format: (bytes: number) => string): string {
  if (size !== null) return format(size)
  return compressedSize === null ? '-' : `${format(compressedSize)} compressed`
}

/** docker cuts here. */
const CREATED_BY_LENGTH = 45

/** The fields and words of `docker history --format`, and ours beside them. */
export function dockerRecord(record: HistoryRecord, options: HistoryOptions) {
  const { id, created, createdBy, instruction, comment, size, layer, digest, compressedSize } = record
  const { whole, human, now } = options
  const command = createdBy.replaceAll('\t', ' ')
  const bytes = size ?? 0
  return {
    ID: dockerId(id, whole),
    CreatedAt: created === null ? 'N/A' : dockerTime(created),
    CreatedSince: created === null ? 'N/A' : human ? dockerAge(created, now) : dockerTime(created),
    CreatedBy: whole ? command : dockerEllipsis(command, CREATED_BY_LENGTH),
    Size: human ? dockerSize(bytes) : String(bytes),
    Comment: comment,
    Instruction: instruction,
    Layer: layer,
    Digest: digest,
    CompressedSize: compressedSize,
    Tags: record.tags,
  }
}

function dockerId(id: string | null, whole: boolean): string {
  if (id === null) return '<missing>'
  return whole ? id : shortDigest(id)
}
