import {
  type Descriptor,
  type Index,
  indexPlatforms,
  type Manifest,
  pickPlatform,
} from '../../oci/manifest.ts'
import { CONFIG_TYPES, INDEX_TYPES } from '../../oci/media-types.ts'
import { formatPlatform, type Platform } from '../../oci/platform.ts'
import { StepFailure } from './reasons.ts'

const BYTES_PER_GB = 1024 ** 3

/**
 * The entry of an index that the server runs: the first of its platforms that the index has.
 *
 * @throws StepFailure ARCH_MISMATCH, MANIFEST_INVALID
 */
export function pickImage(index: Index, platforms: readonly Platform[]): Descriptor {
  for (const platform of platforms) {
    const picked = pickPlatform(index, platform)
    if (picked && INDEX_TYPES.includes(picked.mediaType)) {
      throw new StepFailure('MANIFEST_INVALID', 'the index lists another index where an image should be')
    }
    if (picked) return picked
  }
  throw wrongPlatform(indexPlatforms(index).join(', ') || 'no platform', platforms)
}

export function wrongPlatform(found: string, platforms: readonly Platform[]): StepFailure {
  const needed = platforms.map(formatPlatform)
  return new StepFailure(
    'ARCH_MISMATCH',
    `the image is for ${found}, and the server runs ${needed.join(', ')}`,
    { hint: `build it for that platform: docker buildx build --platform ${needed[0]}` },
  )
}

/**
 * Config and layers, each blob once.
 *
 * @throws StepFailure MANIFEST_INVALID for what is not an image, or gives one blob two sizes
 */
export function imageBlobs({ config, layers }: Manifest): Descriptor[] {
  if (!CONFIG_TYPES.includes(config.mediaType)) {
    const type = JSON.stringify(config.mediaType)
    throw new StepFailure('MANIFEST_INVALID', `it is an artifact with a config of type ${type}, not an image`)
  }
  const blobs = new Map<string, Descriptor>()
  for (const blob of [config, ...layers]) {
    const known = blobs.get(blob.digest)
    if (known && known.size !== blob.size) {
      throw new StepFailure('MANIFEST_INVALID', `the manifest gives ${blob.digest} two sizes`)
    }
    blobs.set(blob.digest, known ?? blob)
  }
  return [...blobs.values()]
}

/** @returns the bytes of all blobs. @throws StepFailure TOO_LARGE */
export function checkImageSize(blobs: readonly Descriptor[], limit: number): number {
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0)
  if (bytes <= limit) return bytes
  throw new StepFailure(
    'TOO_LARGE',
    `the image has ${inGB(bytes)}, and the server takes at most ${inGB(limit)}`,
  )
}

function inGB(bytes: number): string {
  return `${(bytes / BYTES_PER_GB).toFixed(2)} GB (${bytes} bytes)`
}
