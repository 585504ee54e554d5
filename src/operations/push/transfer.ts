import type { Descriptor } from '../../oci/manifest.ts'
import type { BlobCache } from '../../ports/blob-cache.ts'
import type { Repository } from '../../ports/registry.ts'
import type { UploadJournal } from '../../ports/upload-journal.ts'
import type { PushEvent } from './events.ts'
import type { BlobCompression } from './layer-encoder.ts'
import type { PushPlan } from './plan.ts'
import type { ImageSource } from './source.ts'

/** Layers under way at once unless it is said, as docker does it. */
export const DEFAULT_CONCURRENCY = 3

/** What a transport is given: one image, and the repository that it shall be in. */
export interface TransferJob {
  readonly source: ImageSource
  readonly plan: PushPlan
  readonly repository: Repository
  /** What the manifest is written under. Undefined: its digest, and it is named later. */
  readonly tag?: string
  readonly cache: BlobCache
  readonly journal: UploadJournal
  /** Layers under way at once. */
  readonly concurrency: number
  /** What layers become that their source holds as plain tars. */
  readonly compression: BlobCompression
  readonly onEvent: (event: PushEvent) => void
  readonly signal: AbortSignal | undefined
  /** The registry said of a blob that it has it, and had not: everything is sent, and it is not asked again. */
  readonly distrusts?: boolean
}

export interface Transferred {
  /** The manifest, as the registry confirmed it. It has no name yet. */
  readonly descriptor: Descriptor
  /** Removes what only the transfer needed. To be called when the image has its name, or will get none. */
  release?(): Promise<void>
}
