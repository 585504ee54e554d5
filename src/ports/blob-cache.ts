import type { Digest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'

/**
 * What earlier pushes learned: the compressed blob that a layer became. It is a hint only: a registry is always
 * asked whether it has the blob. Losing it costs time, never correctness, so its failures are never errors.
 */
export interface BlobCache {
  find(diffID: Digest): Promise<Descriptor | undefined>
  remember(blobs: ReadonlyMap<Digest, Descriptor>): Promise<void>
}
