import { formatPlatform } from '../../oci/platform.ts'
import type { LoadedImage } from '../../operations/load/load-images.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import type { RecordView } from '../../terminal/records.ts'

/** An image that was loaded, in JSON. */
export interface LoadedRecord {
  readonly name: string | null
  readonly id: string
  readonly platform: string
  /** Bytes. */
  readonly size: number
}

export function loadedRecord({ name, id, platform, size }: LoadedImage): LoadedRecord {
  return { name: name ?? null, id, platform: formatPlatform(platform), size }
}

/** docker's line. */
export function loadedLine({ name, id }: LoadedRecord): string {
  return name === null ? `Loaded image ID: ${id}` : `Loaded image: ${name}`
}

export const LOADED: RecordView<LoadedRecord> = {
  columns: [
    { header: 'Image', value: ({ name }) => name },
    { header: 'Image ID', value: ({ id }) => id },
    { header: 'Platform', value: ({ platform }) => platform },
    { header: 'Size', value: ({ size }) => size, human: ({ size }) => humanBytes(size), align: 'right' },
  ],
  id: ({ name, id }) => name ?? id,
}
