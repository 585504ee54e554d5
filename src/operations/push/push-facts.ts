import type { Digest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { EngineInfo } from '../../ports/engine.ts'
import type { ManifestContent } from '../../ports/registry.ts'
import type { BlobCompression } from './layer-encoder.ts'
import type { ImageSource } from './source.ts'

export type Transport = 'engine' | 'direct'
export type Via = 'auto' | Transport

export interface PlannedLayer {
  readonly diffID: Digest
  /** The blob it is or was at an earlier push; undefined: it has never been made. */
  readonly descriptor: Descriptor | undefined
  /** Whether the repository has that blob now. */
  readonly exists: boolean
  /** Other repositories of the registry that had it: it may be mounted from there. Empty when it exists. */
  readonly mountFrom: readonly string[]
  /** Bytes as the source stores it; undefined when only reading it would tell. */
  readonly storedSize: number | undefined
}

/** The image's config, as far as it is known without an export. */
export interface PlannedConfig {
  readonly descriptor: Descriptor
  readonly exists: boolean
  /** Undefined: it can be used where it exists, but not sent. */
  readonly bytes: Uint8Array | undefined
}

/** What the user chose about the way. */
export interface PushChoice {
  readonly via: Via
  /** What layers become that their source holds as plain tars; engines make gzip only. */
  readonly compression: BlobCompression
}

/** What the repository has and lacks, before anything is sent. */
export interface PushFacts extends PushChoice {
  readonly source: Pick<ImageSource, 'kind' | 'size' | 'pickLayers'>
  readonly engine: EngineInfo | undefined
  readonly layers: readonly PlannedLayer[]
  readonly config: PlannedConfig | undefined
  /** The image's own manifest or index, when the repository has all of it: then nothing has to be sent. */
  readonly manifest: ManifestContent | undefined
}

/** Whether no layer's bytes are needed. */
export function isComplete({ layers, config, manifest }: Pick<PushFacts, 'layers' | 'config' | 'manifest'>) {
  if (manifest !== undefined) return true
  return layers.every(({ exists }) => exists) && (config?.exists === true || config?.bytes !== undefined)
}

/** Bytes of the layers that are missing, compressed where that is known: an upper bound of what is sent. */
export function missingBytes({ source, layers }: Pick<PushFacts, 'source' | 'layers'>): number {
  let sum = 0
  for (const { exists, descriptor, storedSize } of layers) {
    const bytes = exists ? 0 : (descriptor?.size ?? storedSize)
    if (bytes === undefined) return source.size
    sum += bytes
  }
  return sum
}
