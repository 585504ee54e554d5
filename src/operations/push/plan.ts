import { mapLimit } from '../../internal/concurrency.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { BlobCache } from '../../ports/blob-cache.ts'
import type { EngineInfo } from '../../ports/engine.ts'
import type { BlobReader } from '../../ports/registry.ts'
import type { ImageSource } from './source.ts'

export type Transport = 'engine' | 'direct'
export type Via = 'auto' | Transport

export interface PlannedLayer {
  readonly diffID: Digest
  /** The blob it is or was at an earlier push; undefined: it has never been made. */
  readonly descriptor: Descriptor | undefined
  /** Whether the repository has that blob now. */
  readonly exists: boolean
}

export interface PushPlan {
  readonly transport: Transport
  /** Why that one, as half a sentence. */
  readonly why: string
  readonly layers: readonly PlannedLayer[]
  /** Bytes of the layers that are missing, as they are stored: an upper bound of what is sent. */
  readonly missingBytes: number
}

/**
 * Below this an engine compresses as quickly as its export starts: `docker save` first writes a copy of the whole
 * image to disk (22 s for 2.35 GB where docker push took 75 s).
 */
const DIRECT_FROM_BYTES = 64 * 1024 * 1024
/** HEAD requests at once: enough to hide latency, few enough for a registry's connection limit. */
const CHECKS_AT_ONCE = 6

/** Asks the repository what it has, and chooses the cheapest way for the rest. */
export async function planPush(
  source: ImageSource,
  engine: EngineInfo | undefined,
  via: Via,
  repository: BlobReader,
  cache: BlobCache,
  signal: AbortSignal | undefined,
): Promise<PushPlan> {
  const known = source.manifest?.parsed.layers
  const layers = await mapLimit(
    source.diffIDs,
    CHECKS_AT_ONCE,
    async (diffID, i, checks): Promise<PlannedLayer> => {
      const descriptor = known?.[i] ?? (await cache.find(diffID))
      if (!descriptor) return { diffID, descriptor: undefined, exists: false }
      const size = await repository.blobSize(descriptor.digest, checks)
      return { diffID, descriptor, exists: size === descriptor.size }
    },
    signal,
  )
  const missing = layers.filter(({ exists }) => !exists)
  const missingBytes = missing.every(({ descriptor }) => descriptor)
    ? missing.reduce((sum, { descriptor }) => sum + descriptor!.size, 0)
    : source.size
  return {
    ...chooseTransport(source, engine, via, layers),
    layers,
    missingBytes: missing.length ? missingBytes : 0,
  }
}

function chooseTransport(
  source: ImageSource,
  engine: EngineInfo | undefined,
  via: Via,
  layers: readonly PlannedLayer[],
): { transport: Transport; why: string } {
  if (source.kind !== 'engine' || !engine) return { transport: 'direct', why: 'no engine is involved' }
  if (via !== 'auto') return { transport: via, why: `--via ${via}` }
  if (layers.every(({ exists }) => exists)) return { transport: 'direct', why: 'every layer is there' }
  if (engine.store === 'containerd') return { transport: 'engine', why: 'the engine keeps compressed layers' }
  if (layers.some(({ exists }) => exists)) return { transport: 'engine', why: 'only some layers are missing' }
  return source.size >= DIRECT_FROM_BYTES
    ? { transport: 'direct', why: 'the layers are large: compressed here, on all cores' }
    : { transport: 'engine', why: 'the image is small' }
}
