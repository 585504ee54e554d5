import { shortDigest } from '../../oci/digest.ts'
import type { ImageRow } from '../../operations/local/list-rows.ts'
import { humanAge, humanBytes } from '../../terminal/humanize.ts'
import type { Column, RecordView } from '../../terminal/records.ts'

/** What docker writes where an image has no name. */
export const NONE = '<none>'

export interface LocalImageOptions {
  readonly digests: boolean
  /** Whole ids, on a terminal too. */
  readonly whole: boolean
  /** Milliseconds since 1970, for ages. */
  readonly now: number
}

/** The table of `docker image ls`. The row itself is what JSON and templates show. */
export function localImageView({ digests, whole, now }: LocalImageOptions): RecordView<ImageRow> {
  const digest: Column<ImageRow> = { header: 'Digest', value: ({ digest }) => digest ?? NONE }
  return {
    columns: [
      { header: 'Repository', value: ({ repository }) => repository ?? NONE },
      { header: 'Tag', value: ({ tag }) => tag ?? NONE },
      ...(digests ? [digest] : []),
      { header: 'Image ID', value: ({ id }) => id, ...(whole ? {} : { human: ({ id }) => shortDigest(id) }) },
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
