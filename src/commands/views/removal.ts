import { shortDigest } from '../../oci/digest.ts'
import type { PlannedRemoval } from '../../operations/local/plan-removal.ts'
import type { RemovalOutcome } from '../../operations/local/remove-planned.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import type { RecordView } from '../../terminal/records.ts'
import { type Streams, textLine } from '../../terminal/streams.ts'

export const REMOVAL_PLAN: RecordView<PlannedRemoval> = {
  columns: [
    { header: 'Image ID', value: ({ id }) => id, human: ({ id }) => shortDigest(id) },
    { header: 'Names that go', value: ({ names }) => names.join(', ') || null },
    { header: 'Not named by you', value: ({ unasked }) => unasked.join(', ') || null },
    {
      header: 'Image',
      value: ({ isLast }) => (isLast ? 'deleted' : 'kept'),
    },
    { header: 'Size', value: ({ size }) => size, human: ({ size }) => humanBytes(size) },
  ],
  id: ({ id }) => id,
}

/** docker's lines for what went, and on stderr why the rest stayed. */
export function printRemoved(
  { stdout, stderr }: Streams,
  image: string,
  { untagged, deleted, error }: RemovalOutcome,
): void {
  for (const name of untagged) stdout.write(textLine(`Untagged: ${name}`))
  for (const id of deleted) stdout.write(textLine(`Deleted: ${id}`))
  if (error) stderr.write(textLine(`Failed to delete ${image}: ${error.message}`))
}

/** What became of one image, in JSON. */
export interface RemovedRecord {
  readonly id: string
  readonly untagged: readonly string[]
  readonly deleted: readonly string[]
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null
}

export function removedRecord(id: string, { untagged, deleted, error }: RemovalOutcome): RemovedRecord {
  const failure = error && { code: error.code, message: error.message, hint: error.hint ?? null }
  return { id, untagged, deleted, error: failure ?? null }
}
