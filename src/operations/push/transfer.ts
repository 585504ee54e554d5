import type { Descriptor } from '../../oci/manifest.ts'
import type { BlobCache } from '../../ports/blob-cache.ts'
import type { Repository } from '../../ports/registry.ts'
import type { PushEvent } from './events.ts'
import type { PushPlan } from './plan.ts'
import type { ImageSource } from './source.ts'

/** What a transport is given: one image, and the repository that it shall be in. */
export interface TransferJob {
  readonly source: ImageSource
  readonly plan: PushPlan
  readonly repository: Repository
  readonly cache: BlobCache
  readonly onEvent: (event: PushEvent) => void
  readonly signal: AbortSignal | undefined
}

export interface Transferred {
  /** The manifest, as the registry confirmed it. It has no name yet. */
  readonly descriptor: Descriptor
  /** Removes what only the transfer needed. To be called when the image has its name, or will get none. */
  release?(): Promise<void>
}
