import type { Image } from '../../contract/image.ts'
import { humanAge, humanBytes } from '../../terminal/humanize.ts'
import type { Progress } from '../../terminal/progress.ts'
import type { RecordView } from '../../terminal/records.ts'

/** An image as every command prints it: the server's record, with one size, in bytes. */
export type ImageRecord = Omit<Image, 'size' | 'sizeBytes' | 'errorReason'> & { readonly size: number | null }

export function imageRecord(image: Image): ImageRecord {
  const { size: _, sizeBytes, errorReason: __, ...record } = image
  return { ...record, size: sizeBytes }
}

/** The table of images. @param now milliseconds since 1970, for ages */
export function imageView(now: number): RecordView<ImageRecord> {
  return {
    columns: [
      { header: 'Image', value: ({ name }) => name },
      { header: 'State', value: ({ state }) => state, human: ({ state }) => STATE_LABELS[state] },
      {
        header: 'Enabled',
        value: ({ enabled }) => enabled,
        human: ({ enabled }) => (enabled ? 'Yes' : 'No'),
      },
      {
        header: 'Size',
        value: ({ size }) => size,
        human: ({ size }) => (size === null ? '-' : humanBytes(size)),
        align: 'right',
      },
      {
        header: 'Created',
        value: ({ createdAt }) => createdAt,
        human: ({ createdAt }) => humanAge(createdAt, now),
      },
      { header: 'Digest', value: ({ digest }) => digest, human: ({ digest }) => digest?.slice(7, 19) ?? '-' },
    ],
    id: ({ id }) => id,
  }
}

const STATE_LABELS: Readonly<Record<Image['state'], string>> = {
  build_pending: 'BUILD PENDING',
  building: 'BUILDING',
  pending: 'PENDING',
  pulling_image: 'PULLING IMAGE',
  pending_validation: 'VALIDATION PENDING',
  validating: 'VALIDATING',
  active: 'ACTIVE',
  error: 'ERROR',
  removing: 'REMOVING',
}

/** Shows a state that an image passes through as a phase: its label, the step, and why it is not going on. */
export function showState(progress: Progress, { state, step, reason }: Image): void {
  progress.event({ event: 'state', state, step, reason })
  // The command itself says how it ended.
  if (state === 'error' || state === 'active') return
  progress.phase([STATE_LABELS[state], step, reason?.message].filter(Boolean).join(': '))
}
