import { DOCKER_LAYER_GZIP } from '../../oci/media-types.ts'
import { isComplete, missingBytes, type PlannedLayer, type PushFacts, type Transport } from './push-facts.ts'

/** Below this an engine compresses as quickly as its export starts. */
const DIRECT_FROM_BYTES = 64 * 1024 * 1024
/**
 * What share of an image must be missing for an export to pay. An engine with a graph driver compresses about 31 MB/s;
 * its export first writes a copy of the whole image to disk at about 100 MB/s, of which we compress what is missing at
 * about 120 MB/s (measured on four cores, see bench/). The two take the same time when 0.42 of the image is missing.
 */
const DIRECT_FROM_SHARE = 0.42

export interface ChosenTransport {
  readonly transport: Transport
  /** Only what is missing is read from the engine (ImageSource.pickLayers). */
  readonly picks: boolean
  /** Half a sentence. */
  readonly why: string
}

/** Who brings an image to its registry, and why. */
export function chooseTransport(facts: PushFacts): ChosenTransport {
  const { source, engine, via, layers } = facts
  const engineSends = (why: string) => ({ transport: 'engine', picks: false, why }) as const
  const direct = (why: string) => ({ transport: 'direct', picks: false, why }) as const

  if (source.kind !== 'engine' || !engine) return direct('no engine is involved')
  if (via === 'engine') return engineSends('--via engine')
  if (facts.manifest !== undefined) return direct('the image is there')
  if (isComplete(facts)) return direct('every layer is there')
  if (isComplete({ ...facts, layers: layers.map(asMounted) })) {
    return direct('what is missing is in other repositories of the registry')
  }
  if (canPick(facts)) return { ...direct('only what is missing is read from the engine'), picks: true }
  if (via === 'direct') return direct('--via direct')
  if (facts.compression !== 'gzip') {
    return direct(`engines compress with gzip, ${facts.compression} is made here`)
  }
  if (engine.store === 'containerd') return engineSends('the engine keeps compressed layers')
  const toEngine = asTheEngineKnows(facts)
  if (uncompressedMissing(toEngine) < DIRECT_FROM_BYTES) {
    const isAll = layers.every(({ exists }) => !exists)
    return engineSends(isAll ? 'the image is small' : 'little is missing')
  }
  if (isMost(facts)) return direct('the missing layers are large: compressed here, on all cores')
  return isMost(toEngine)
    ? direct('the engine would compress again what it has not pushed itself')
    : engineSends('most of the image is there, and an export would read all of it')
}

/** The topmost layers come first: of the others above the lowest missing one only so many can be passed over. */
function canPick(facts: PushFacts): boolean {
  const { engine, source, layers } = facts
  if (engine?.passesOver === undefined || !source.pickLayers || isMost(facts)) return false
  const lowest = layers.findIndex(({ exists }) => !exists)
  const above = lowest === -1 ? [] : layers.slice(lowest)
  return above.filter(({ exists }) => exists).length <= engine.passesOver
}

/**
 * A classic Docker engine leaves out only what it pushed or pulled itself: it cannot know the blobs that were made here.
 * Docker's media type tells which those are: ours have OCI's.
 */
function asTheEngineKnows(facts: PushFacts): PushFacts {
  if (facts.engine?.product !== 'docker') return facts
  const isKnown = ({ exists, descriptor }: PlannedLayer) =>
    exists && descriptor?.mediaType === DOCKER_LAYER_GZIP
  return { ...facts, layers: facts.layers.map((layer) => ({ ...layer, exists: isKnown(layer) })) }
}

function isMost(facts: PushFacts): boolean {
  return uncompressedMissing(facts) >= DIRECT_FROM_SHARE * facts.source.size
}

function asMounted(layer: PlannedLayer): PlannedLayer {
  return { ...layer, exists: layer.exists || layer.mountFrom.length > 0 }
}

/** Bytes that would have to be compressed. */
function uncompressedMissing(facts: PushFacts): number {
  const missing = facts.layers.filter(({ exists }) => !exists)
  if (missing.every(({ storedSize }) => storedSize !== undefined)) {
    return missing.reduce((sum, { storedSize }) => sum + storedSize!, 0)
  }
  return Math.max(missingBytes(facts), missing.length === facts.layers.length ? facts.source.size : 0)
}
